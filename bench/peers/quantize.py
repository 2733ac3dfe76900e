"""Packs rows of weights with llama.cpp's own quantiser, ggml_quantize_chunk of the library inside the package xllamacpp, whose folder is the
first argument. Standard input, again and again: one line of JSON with type (ggml's number), rows, width, importance (true or false),
then the importances (f32, width of them) where there are some, then the values (f32, row by row). Standard output: the packed bytes."""
import ctypes
import glob
import json
import os
import sys

lib = ctypes.CDLL(glob.glob(os.path.join(sys.argv[1], "xllamacpp", "xllamacpp*.so"))[0])
lib.ggml_quantize_chunk.restype = ctypes.c_size_t
lib.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]


def floats(n):
    b = sys.stdin.buffer.read(4 * n)
    if len(b) != 4 * n:
        sys.exit("the input ends within values")
    return (ctypes.c_float * n).from_buffer_copy(b)


while line := sys.stdin.buffer.readline():
    ask = json.loads(line)
    rows, width = ask["rows"], ask["width"]
    importance = floats(width) if ask["importance"] else None
    values = floats(rows * width)
    packed = ctypes.create_string_buffer(4 * rows * width)
    n = lib.ggml_quantize_chunk(ask["type"], values, packed, 0, rows, width, importance)
    sys.stdout.buffer.write(packed.raw[:n])
    sys.stdout.buffer.flush()
