package distill

// lists are the rows of data that are learnt together, the documents of one query, in the order in which lists first stand there; nil = each row is
// by itself.
func lists(data []Example) (all [][]int) {
	at := map[string]int{}
	for i := range data {
		key := data[i].List
		if key == "" {
			return nil
		}
		k, ok := at[key]
		if !ok {
			k, at[key] = len(all), len(all)
			all = append(all, nil)
		}
		all[k] = append(all[k], i)
	}
	return all
}

// learnLists adds to the gradients what some lists teach, and returns their mean loss and the tokens. The loss is over all documents of a list at once.
// Lists share a micro-batch as long as they fit; one that does not fit by itself goes through the student twice: for its logits, which
// give the loss and its gradient, and then piece by piece for that of the weights.
func (t *Trainer) learnLists(g *Graph, some []int) (loss float64, tokens int) {
	for i := 0; i < len(some); {
		var rows []int
		var ends []int // of lists, in rows
		size := 0
		for ; i < len(some); i++ {
			list, n := t.lists[some[i]], 0
			for _, r := range list {
				n += len(t.Data[r].Tokens)
			}
			if len(rows) > 0 && size+n > t.MaxTokens {
				break
			}
			size += n
			rows = append(rows, list...)
			ends = append(ends, len(rows))
		}
		tokens += size
		z, parts := make([]float32, len(rows)), t.pieces(rows)
		whole := len(parts) == 1
		for _, p := range parts {
			t.forwardRows(g, rows[p[0]:p[1]])
			copy(z[p[0]:p[1]], g.val[g.student.Program.Class])
		}
		loss += t.listLoss(z, rows, ends, 1/float32(len(some)))
		for _, p := range parts {
			if !whole {
				t.forwardRows(g, rows[p[0]:p[1]])
			}
			copy(g.Grad(g.student.Program.Class), z[p[0]:p[1]])
			g.Backward()
		}
	}
	return loss, tokens
}

// pieces cuts rows into micro-batches, [from, to) of each.
func (t *Trainer) pieces(rows []int) (all [][2]int) {
	size := 0
	for i, r := range rows {
		n := len(t.Data[r].Tokens)
		if i == 0 || size+n > t.MaxTokens {
			all, size = append(all, [2]int{i, i}), 0
		}
		all[len(all)-1][1] = i + 1
		size += n
	}
	return all
}

// forwardRows takes rows through the student.
func (t *Trainer) forwardRows(g *Graph, rows []int) {
	t.batch.Reset()
	for _, r := range rows {
		t.batch.Add(t.Data[r].Tokens)
	}
	g.Forward(&t.batch)
}

// listLoss is the weighted loss of lists that end at ends of rows, and leaves its gradient in their logits z.
func (t *Trainer) listLoss(z []float32, rows, ends []int, weight float32) (loss float64) {
	from := 0
	for _, to := range ends {
		n := to - from
		teacher, tmp := make([]float32, n), make([]float32, 3*n)
		for i, r := range rows[from:to] {
			teacher[i] = t.Data[r].Target[0]
		}
		loss += float64(float64(weight) * t.Loss.Row(t.Level, z[from:to], teacher, -1, weight, tmp))
		from = to
	}
	return loss
}
