"""Runs steps of model-signing, given as JSON: ["verify" or "sign", "key" or "certificate", model, signature]; prints ok or the refusal of each."""
import json
import sys

sys.path.insert(0, sys.argv[1])
import model_signing

key, public, leaf, root = sys.argv[2:6]
for step, method, model, signature in json.loads(sys.argv[6]):
    if step == "verify":
        config = model_signing.verifying.Config()
        if method == "key":
            config.use_elliptic_key_verifier(public_key=public)
        else:
            config.use_certificate_verifier(certificate_chain=[root])
        run = config.verify
    else:
        config = model_signing.signing.Config()
        if method == "key":
            config.use_elliptic_key_signer(private_key=key)
        else:
            config.use_certificate_signer(private_key=key, signing_certificate=leaf, certificate_chain=[root])
        config.set_hashing_config(model_signing.hashing.Config().set_ignored_paths(paths=[signature]))
        run = config.sign
    try:
        run(model, signature)
        print("ok")
    except ValueError as e:
        print("refused:", str(e).replace("\n", " "))
