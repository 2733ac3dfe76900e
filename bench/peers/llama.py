"""Runs llama.cpp's server (package xllamacpp) on one model until standard input ends.

Standard input: one line of JSON with the settings below. Standard output: one line of JSON with the server's address
and what the build says of itself.
"""
import json
import os
import sys

want = json.loads(sys.stdin.readline())
sys.path.insert(0, want["packages"])
import xllamacpp  # noqa: E402

p = xllamacpp.CommonParams()
p.model.path = want["model"]
p.n_ctx = want["context"] * want["parallel"]
p.n_parallel = want["parallel"]
p.n_batch = p.n_ubatch = 512
if want["parallel"] > 1:  # as its server has it
    p.n_batch = 2048
p.cpuparams.n_threads = p.cpuparams_batch.n_threads = want["threads"]
p.no_extra_bufts = not want["repack"]
flash = xllamacpp.llama_flash_attn_type
p.flash_attn_type = flash.LLAMA_FLASH_ATTN_TYPE_ENABLED if want["flash"] else flash.LLAMA_FLASH_ATTN_TYPE_DISABLED
if want["exact"]:
    p.cache_type_k = p.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    p.warmup = p.fit_params = False
if want["pooling"]:
    p.embedding = True
    p.pooling_type = getattr(xllamacpp.llama_pooling_type, "LLAMA_POOLING_TYPE_" + want["pooling"])
if want["lora"]:
    p.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(a["path"], a["scale"]) for a in want["lora"]]
p.n_gpu_layers = 0
p.verbosity = 0
server = xllamacpp.Server(p)
print(json.dumps({"address": server.listening_address, "version": xllamacpp.__version__, "system": xllamacpp.get_system_info()}), flush=True)
sys.stdin.read()
os._exit(0)  # nothing to tidy up; the server's own shutdown can take seconds
