"""Writes tiny.model, a vocabulary that the library SentencePiece (0.2.3) trained on the text given, with Llama's settings, and tiny.json, that
library's ids of some texts: python3 tiny.py TEXT, in this folder."""
import json
import sys

import sentencepiece as sp

sp.SentencePieceTrainer.train(input=sys.argv[1], model_prefix="tiny", model_type="bpe", vocab_size=420, byte_fallback=True, character_coverage=0.999,
                              normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=True, split_digits=True,
                              user_defined_symbols=["<|x|>"], minloglevel=2)
p = sp.SentencePieceProcessor(model_file="tiny.model")
texts = ["Hello world", " two  spaces", "", "naïve 日本 🙂", "a\nb\tc", "weights 1234 of 567", "the kernel's portable body", "▁mark"]
cases = [{"text": t, "ids": p.encode(t)} for t in texts]
kinds = [(2, p.is_unknown), (3, p.is_control), (6, p.is_byte)]
pieces = [[p.id_to_piece(i), p.get_score(i), next((n for n, is_kind in kinds if is_kind(i)), 1)] for i in range(p.vocab_size())]
json.dump({"cases": cases, "pieces": pieces}, open("tiny.json", "w"), ensure_ascii=False, separators=(",", ":"))
