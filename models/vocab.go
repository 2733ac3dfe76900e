package models

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/token"
)

// Tokenizer builds the tokenizer of a GGUF file from its Vocabulary. Errors name the file.
func Tokenizer(f *gguf.File) (*token.Tokenizer, error) {
	v, err := Vocabulary(f)
	if err != nil {
		return nil, err
	}
	t, err := token.New(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	return t, nil
}

// Vocabulary reads the tokenizer.ggml.* keys of a GGUF file with llama.cpp's rules: special ids and flags that the
// file does not give come from token.Default, and roles that no key names are found by token text
// (token.DetectSpecial). Errors name the file, the key, what it holds and what was wanted; the Vocab is then of no use.
func Vocabulary(f *gguf.File) (v token.Vocab, err error) {
	const ns = "tokenizer.ggml."
	model, err := f.String(ns + "model")
	if err != nil {
		return v, err
	}
	pre, err := f.StringOr(ns+"pre", "")
	if err != nil {
		return v, err
	}
	if v, err = token.Default(model, pre); err != nil {
		if !slices.Contains(token.KnownModels(), model) {
			return v, vocabError(f, ns+"model", gguf.Quote(model), "one of "+strings.Join(token.KnownModels(), ", "))
		}
		return v, vocabError(f, ns+"pre", gguf.Quote(pre), "one of "+strings.Join(token.KnownPre(), ", "))
	}

	var merges []string
	var mergesErr error
	var decoding sync.WaitGroup
	if token.HasMerges(model) { // beside the tokens: these two are most of the metadata
		decoding.Go(func() { merges, mergesErr = f.Strings(ns + "merges") })
		defer decoding.Wait()
	}
	if v.Tokens, err = f.Strings(ns + "tokens"); err != nil {
		return v, err
	}
	n := len(v.Tokens)
	if n == 0 {
		return v, vocabError(f, ns+"tokens", "an empty array", "one token at least")
	}
	if f.Has(ns + "scores") {
		if v.Scores, err = scores(f, ns+"scores"); err != nil {
			return v, err
		}
		if len(v.Scores) != n {
			return v, vocabError(f, ns+"scores", fmt.Sprintf("%d elements", len(v.Scores)), fmt.Sprintf("%d, one a token", n))
		}
	}
	if v.Types, err = tokenTypes(f, ns+"token_type", n); err != nil {
		return v, err
	}
	decoding.Wait()
	if v.Merges, err = merges, mergesErr; err != nil {
		return v, err
	}

	for _, r := range v.Roles() {
		key := ns + r.Name + "_token_id"
		if *r.ID >= n {
			*r.ID = token.None // a default that this vocabulary is too small for
		}
		if !f.Has(key) {
			continue
		}
		id, err := f.Uint(key)
		if err != nil {
			return v, err
		}
		if id >= uint64(n) {
			return v, vocabError(f, key, fmt.Sprint(id), fmt.Sprintf("an id from 0 to %d", n-1))
		}
		*r.ID = int(id)
	}
	for _, flag := range []struct {
		key string
		to  *bool
	}{
		{ns + "add_bos_token", &v.AddBOS}, {ns + "add_eos_token", &v.AddEOS}, {ns + "add_space_prefix", &v.AddSpacePrefix},
		{ns + "remove_extra_whitespaces", &v.MergeSpaces}, {ns + "normalizer.lowercase", &v.Lowercase},
	} {
		if *flag.to, err = f.BoolOr(flag.key, *flag.to); err != nil {
			return v, err
		}
	}
	if v.StripAccents, err = f.BoolOr(ns+"normalizer.strip_accents", v.Lowercase); err != nil {
		return v, err
	}
	if v.Chars, err = charMap(f, ns+"precompiled_charsmap"); err != nil {
		return v, err
	}
	token.DetectSpecial(&v)
	return v, stripRules(f, &v)
}

// scores reads an array of f32, or of i32.
func scores(f *gguf.File, key string) ([]float32, error) {
	value, _ := f.Get(key)
	whole, ok := value.Int32s()
	if !ok {
		return f.Floats(key)
	}
	list := make([]float32, len(whole))
	for i, x := range whole {
		list[i] = float32(x)
	}
	return list, nil
}

func tokenTypes(f *gguf.File, key string, n int) ([]int32, error) {
	value, ok := f.Get(key)
	if !ok {
		return nil, nil
	}
	types, ok := value.Int32s()
	if !ok {
		return nil, vocabError(f, key, value.TypeName(), "an array of i32")
	}
	if len(types) != n {
		return nil, vocabError(f, key, fmt.Sprintf("%d elements", len(types)), fmt.Sprintf("%d, one a token", n))
	}
	return types, nil
}

// charMap reads an array of bytes.
func charMap(f *gguf.File, key string) ([]byte, error) {
	value, ok := f.Get(key)
	if !ok {
		return nil, nil
	}
	b, ok := value.Bytes()
	if !ok {
		return nil, vocabError(f, key, value.TypeName(), "an array of u8 or i8")
	}
	return b, nil
}

// stripRules sets which special tokens swallow white space. GGUF has no key for it; llama.cpp goes by the names of
// pre-tokenizer, architecture and model, in this order.
func stripRules(f *gguf.File, v *token.Vocab) error {
	arch, err := f.StringOr("general.architecture", "")
	if err != nil {
		return err
	}
	name, err := f.StringOr("general.name", "")
	if err != nil {
		return err
	}
	name = strings.ToLower(name)
	contains := func(s string, any ...string) bool {
		return slices.ContainsFunc(any, func(part string) bool { return strings.Contains(s, part) })
	}
	left := func(mask string) {
		if id := slices.Index(v.Tokens, mask); id >= 0 {
			v.LStrip = append(v.LStrip, int32(id))
		}
	}
	switch {
	case contains(v.Pre, "jina-v2-de", "jina-v2-es", "jina-v2-code", "mmbert") || contains(arch, "nomic-bert-moe", "jina-bert-v3"):
		left("<mask>")
	case contains(name, "phi-3", "phi3"):
		for id, t := range v.Types {
			switch text := v.Tokens[id]; {
			case text == "<unk>" || text == "<s>" || text == "<|endoftext|>":
			case t == token.Unknown || t == token.Control || t == token.UserDefined || text == "</s>":
				v.RStrip = append(v.RStrip, int32(id))
			}
		}
	case contains(name, "modern-bert"):
		left("[MASK]")
	}
	return nil
}

func vocabError(f *gguf.File, key, got, want string) error {
	return &gguf.Error{File: f.Name, Field: "key " + gguf.Quote(key), Got: got, Want: want}
}
