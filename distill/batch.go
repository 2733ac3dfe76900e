package distill

// Batch is a micro-batch of sequences packed without padding: positions restart at 0 in each, and no sequence sees
// another.
type Batch struct {
	Tokens []int32 // all sequences, one after the other
	Start  []int   // [sequences+1] where each begins in Tokens; the last entry is len(Tokens)
	Want   []int   // rows of Tokens whose results are wanted, rising; nil = all
}

// Add appends a sequence.
func (b *Batch) Add(tokens []int32) {
	if len(b.Start) == 0 {
		b.Start = append(b.Start, 0)
	}
	b.Tokens = append(b.Tokens, tokens...)
	b.Start = append(b.Start, len(b.Tokens))
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() { b.Tokens, b.Start, b.Want = b.Tokens[:0], b.Start[:0], b.Want[:0] }

// Seqs is the number of sequences.
func (b *Batch) Seqs() int { return max(0, len(b.Start)-1) }

// rows is the number of wanted rows.
func (b *Batch) rows() int {
	if len(b.Want) == 0 {
		return len(b.Tokens)
	}
	return len(b.Want)
}
