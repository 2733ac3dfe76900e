package hf

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/token"
)

// modelFolder writes files into a folder, and reads its vocabulary, of so many rows.
func modelFolder(t *testing.T, rows int, files map[string][]byte) (token.Vocab, error) {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	w := gguf.NewWriter()
	if err := vocabulary(dir, &config{fields: object{}}, rows, w); err != nil {
		return token.Vocab{}, err
	}
	var b bytes.Buffer
	if err := w.Encode(&b); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Parse("vocabulary", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	v, err := models.Vocabulary(f)
	if err != nil {
		t.Fatal(err)
	}
	return v, nil
}

// A tokenizer.model that the library SentencePiece trained gives its pieces, scores and kinds, and the library's ids of texts.
func TestSentencePieceModel(t *testing.T) {
	var want struct {
		Cases []struct {
			Text string
			IDs  []int32
		}
		Pieces [][3]any
	}
	text, err := os.ReadFile("testdata/tiny.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &want); err != nil || len(want.Pieces) != 420 || len(want.Cases) < 8 {
		t.Fatalf("%d pieces, %v", len(want.Pieces), err)
	}
	model, err := os.ReadFile("testdata/tiny.model")
	if err != nil {
		t.Fatal(err)
	}
	v, err := modelFolder(t, 430, map[string][]byte{"tokenizer.model": model,
		"added_tokens.json":     []byte(`{"<pad>": 420, "<s>": 1}`),
		"tokenizer_config.json": []byte(`{"added_tokens_decoder": {"421": {"content": "<end>", "special": true}, "422": {"content": "x y", "special": false}}, "eos_token": "<end>"}`)})
	if err != nil {
		t.Fatal(err)
	}
	for id, p := range want.Pieces {
		kind := int32(p[2].(float64))
		if p[0] == "<|x|>" {
			kind = token.UserDefined // which the library does not tell
		}
		if v.Tokens[id] != p[0] || v.Scores[id] != float32(p[1].(float64)) || v.Types[id] != kind {
			t.Errorf("%d: %q %v %d, want %v", id, v.Tokens[id], v.Scores[id], v.Types[id], p)
		}
	}
	for id, w := range map[int]struct {
		text  string
		kind  int32
		score float32
	}{420: {"<pad>", token.Control, addedScore}, 421: {"<end>", token.Control, addedScore}, 422: {"x y", token.UserDefined, addedScore}, 423: {"[PAD423]", token.Unused, unusedScore}} {
		if v.Tokens[id] != w.text || v.Types[id] != w.kind || v.Scores[id] != w.score {
			t.Errorf("%d: %q %d %v, want %v", id, v.Tokens[id], v.Types[id], v.Scores[id], w)
		}
	}
	if !v.AddSpacePrefix || !v.AddBOS || v.AddEOS || v.EOS != 421 || v.BOS != 1 {
		t.Errorf("prefix %v, BOS %v, EOS %v, ids %d %d", v.AddSpacePrefix, v.AddBOS, v.AddEOS, v.BOS, v.EOS)
	}
	tok, err := token.New(v)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range want.Cases {
		if got := tok.Encode(nil, c.Text, token.EncodeOptions{ParseSpecial: true}); !slices.Equal(got, c.IDs) {
			t.Errorf("%q: %v, want %v", c.Text, got, c.IDs)
		}
	}
}

// field appends a field of wire type 2.
func field(b []byte, number uint64, data []byte) []byte {
	b = binary.AppendUvarint(b, number<<3|wireBytes)
	return append(binary.AppendUvarint(b, uint64(len(data))), data...)
}

func varField(b []byte, number, value uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, number<<3), value)
}

func pieceMessage(text string, score float32, kind uint64) []byte {
	b := binary.AppendUvarint(field(nil, 1, []byte(text)), 2<<3|wire32)
	return varField(binary.LittleEndian.AppendUint32(b, math.Float32bits(score)), 3, kind)
}

// smallModel is a tokenizer.model of a few pieces; trainer and normalizer are fields of those messages.
func smallModel(trainer, normalizer []byte, pieces ...[]byte) []byte {
	var b []byte
	for _, p := range append([][]byte{pieceMessage("<unk>", 0, 2), pieceMessage("<s>", 0, 3), pieceMessage("</s>", 0, 3), pieceMessage("a", -1, 1)}, pieces...) {
		b = field(b, 1, p)
	}
	return field(field(b, 2, append(varField(nil, 3, 2), trainer...)), 3, append(varField(nil, 4, 0), normalizer...))
}

// What these architectures do not read text by, and what is damaged, is refused by name.
func TestSentencePieceModelRefused(t *testing.T) {
	good := smallModel(nil, varField(nil, 3, 0), pieceMessage("b", -2, 1))
	if v, err := modelFolder(t, 5, map[string][]byte{"tokenizer.model": good}); err != nil || v.AddSpacePrefix || v.Tokens[4] != "b" {
		t.Fatalf("%v %+v", err, v)
	}
	for says, model := range map[string][]byte{
		"wire type 6 in field 13":                  []byte("not protobuf"),
		"protobuf: got no field's number":          {0xff},
		"trainer_spec.model_type: got 1":           smallModel(varField(nil, 3, 1), nil),
		"remove_extra_whitespaces: got 1":          smallModel(nil, varField(nil, 4, 1)),
		"escape_whitespaces":                       smallModel(nil, varField(nil, 5, 0)),
		"treat_whitespace_as_suffix":               smallModel(varField(nil, 24, 1), nil),
		"precompiled_charsmap: got 3 bytes":        smallModel(nil, field(nil, 2, []byte("abc"))),
		"pieces[4].type: got 7":                    smallModel(nil, nil, pieceMessage("b", 0, 7)),
		"pieces[4].score: got NaN":                 smallModel(nil, nil, pieceMessage("b", float32(math.NaN()), 1)),
		"pieces[4].piece: got 0 bytes":             smallModel(nil, nil, pieceMessage("", 0, 1)),
		"pieces[4].piece: got 1 bytes \"\\xff\"":   smallModel(nil, nil, pieceMessage("\xff", 0, 1)),
		"<0x00> to <0xFF>":                         smallModel(nil, nil, pieceMessage("<0xZZ>", 0, 6)),
		"pieces[4]: got \"a\", which pieces[3] is": smallModel(nil, nil, pieceMessage("a", 0, 1)),
		"pieces[4].field 3: got wire type 2":       smallModel(nil, nil, field(nil, 3, nil)),
		"trainer_spec field 3: got wire type 2":    smallModel(field(nil, 3, nil), nil),
		"1 bytes for field 1 of 9":                 {1<<3 | wireBytes, 9, 0},
		"pieces: got none":                         smallModel(nil, nil)[:0],
		"ids below vocab_size":                     append(good, field(nil, 1, pieceMessage("c", 0, 1))...),
	} {
		if _, err := modelFolder(t, 5, map[string][]byte{"tokenizer.model": model}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %s", err, says)
		}
	}
}

// FuzzSentencePiece: any bytes as tokenizer.model are refused with an error that names the place, or give keys that a GGUF file can hold.
func FuzzSentencePiece(f *testing.F) {
	f.Add(smallModel(nil, varField(nil, 3, 0), pieceMessage("<0x0A>", 0, 6), pieceMessage("▁a", -3, 1), pieceMessage("<x>", 0, 4)))
	f.Add(smallModel(varField(nil, 40, 0), field(nil, 1, []byte("identity"))))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > maxFuzz {
			return
		}
		const path, rows = "tokenizer.model", 1024
		w := gguf.NewWriter()
		tc := &config{file: "tokenizer_config.json"}
		s, err := parseSentencePiece(path, data)
		if err != nil {
			mustName(t, err)
			return
		}
		tok, err := s.tokenizer(t.Name(), tc)
		if err != nil {
			t.Fatal(err)
		}
		ids, err := tok.write(path, rows, tc, w)
		if err != nil {
			mustName(t, err)
			return
		}
		if len(ids) != len(s.pieces) {
			t.Fatalf("%d ids of %d pieces", len(ids), len(s.pieces))
		}
		if err := w.Encode(io.Discard); err != nil {
			t.Fatalf("accepted, and then not written: %v", err)
		}
	})
}
