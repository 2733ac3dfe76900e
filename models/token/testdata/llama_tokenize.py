"""Answers with llama.cpp's tokens, from the library inside the package xllamacpp. Each line of standard input asks:
{"gguf": path, "texts": [hex, ...]}; each line of output answers with {"pieces": [hex of every token, special ones shown],
"answers": one object a text: {"ids": [[plain], [special], [parse], [special_parse]], "text": [hex of plain, shown, hidden]}},
or with {"error": ...} where llama.cpp refuses the file."""
import ctypes
import glob
import json
import os
import sys

lib = ctypes.CDLL(glob.glob(os.path.join(sys.argv[1], "xllamacpp", "xllamacpp*.so"))[0])
log_t = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
messages = []


@log_t
def log(level, text, _):
    if level >= 4:  # errors
        messages.append(text.decode(errors="replace").strip())


class Params(ctypes.Structure):
    """llama_model_params: nine words, then flags of one byte, vocab_only first and use_extra_bufts (true) third."""
    _fields_ = [("words", ctypes.c_uint64 * 9), ("vocab_only", ctypes.c_bool), ("flags", ctypes.c_uint8 * 7), ("room", ctypes.c_uint8 * 48)]


lib.llama_log_set(log, None)
lib.llama_backend_init()
lib.llama_model_default_params.restype = Params
lib.llama_model_load_from_file.restype = ctypes.c_void_p
lib.llama_model_load_from_file.argtypes = [ctypes.c_char_p, Params]
lib.llama_model_get_vocab.restype = ctypes.c_void_p
lib.llama_model_get_vocab.argtypes = [ctypes.c_void_p]
lib.llama_model_free.argtypes = [ctypes.c_void_p]
lib.llama_tokenize.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.POINTER(ctypes.c_int32), ctypes.c_int32, ctypes.c_bool, ctypes.c_bool]
lib.llama_vocab_n_tokens.argtypes = [ctypes.c_void_p]
lib.llama_token_to_piece.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_char_p, ctypes.c_int32, ctypes.c_int32, ctypes.c_bool]
lib.llama_detokenize.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_int32), ctypes.c_int32, ctypes.c_char_p, ctypes.c_int32, ctypes.c_bool, ctypes.c_bool]


def encode(vocab, text, special, parse):
    room = len(text) * 4 + 16
    ids = (ctypes.c_int32 * room)()
    n = lib.llama_tokenize(vocab, text, len(text), ids, room, special, parse)
    if n < 0:
        sys.exit("llama_tokenize wants room for %d tokens" % -n)
    return list(ids[:n])


def decode(vocab, ids, remove, unparse):
    room = 65536 + 64 * len(ids)
    out = ctypes.create_string_buffer(room)
    n = lib.llama_detokenize(vocab, (ctypes.c_int32 * len(ids))(*ids), len(ids), out, room, remove, unparse)
    if n < 0:
        sys.exit("llama_detokenize wants room for %d bytes" % -n)
    return out.raw[:n].hex()


def piece(vocab, token):
    out = ctypes.create_string_buffer(4096)
    n = lib.llama_token_to_piece(vocab, token, out, 4096, 0, True)
    if n < 0:
        sys.exit("llama_token_to_piece wants room for %d bytes" % -n)
    return out.raw[:n].hex()


for line in sys.stdin:
    ask = json.loads(line)
    params = lib.llama_model_default_params()
    if list(params.flags)[:2] != [0, 1] or params.vocab_only:
        sys.exit("llama_model_params of this llama.cpp is laid out differently")
    params.vocab_only = True
    messages.clear()
    model = lib.llama_model_load_from_file(ask["gguf"].encode(), params)
    if not model:
        print(json.dumps({"error": "; ".join(messages) or "refused"}), flush=True)
        continue
    vocab = lib.llama_model_get_vocab(model)
    answers = []
    for text in map(bytes.fromhex, ask["texts"]):
        ids = [encode(vocab, text, special, parse) for parse in (False, True) for special in (False, True)]
        answers.append({"ids": ids, "text": [decode(vocab, ids[0], False, False), decode(vocab, ids[3], False, True), decode(vocab, ids[3], True, False)]})
    pieces = [piece(vocab, i) for i in range(lib.llama_vocab_n_tokens(vocab))]
    lib.llama_model_free(model)
    print(json.dumps({"pieces": pieces, "answers": answers}), flush=True)
os._exit(0)
