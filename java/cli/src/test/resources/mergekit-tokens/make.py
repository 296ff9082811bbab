# SPDX-License-Identifier: Apache-2.0
"""Three models of different vocabularies, and what mergekit makes of recipes with `tokenizer:`.

python make.py (mergekit 0.1.4 at a6e4028, transformers 5.18, tokenizers 0.23, torch 2.13, CPU). The order in which mergekit
adds tokens varies, so expected/NAME.json has their rows.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

random = np.random.default_rng(20261129)
WIDTH = 4
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": WIDTH,
    "intermediate_size": 4,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "tie_word_embeddings": False,
    "torch_dtype": "float32",
}


def model(name, tokens):
    folder = Path("models") / name
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps({**CONFIG, "vocab_size": len(tokens)}, indent=1))
    layer = "model.layers.0."
    shapes = {
        "model.embed_tokens.weight": (len(tokens), WIDTH),
        "lm_head.weight": (len(tokens), WIDTH),
        "model.norm.weight": (WIDTH,),
        layer + "input_layernorm.weight": (WIDTH,),
        layer + "post_attention_layernorm.weight": (WIDTH,),
        layer + "mlp.gate_proj.weight": (4, WIDTH),
        layer + "mlp.up_proj.weight": (4, WIDTH),
        layer + "mlp.down_proj.weight": (WIDTH, 4),
        **{layer + f"self_attn.{p}_proj.weight": (WIDTH, WIDTH) for p in "qkvo"},
    }
    save_file(
        {k: random.normal(0, 1, s).astype(np.float32) for k, s in shapes.items()},
        folder / "model.safetensors",
        {"format": "pt"},
    )


model("base", list("abcd"))
model("x", list("cax"))
model("y", list("xbye"))
Path("expected").mkdir(exist_ok=True)
for recipe in sorted(Path("recipes").glob("*.yml")):
    out = Path(tempfile.mkdtemp())
    subprocess.run(["mergekit-yaml", str(recipe), str(out), "--no-write-model-card"], check=True)
    merged = load_file(out / "model.safetensors")
    save_file(merged, f"expected/{recipe.stem}.safetensors", {"format": "pt"})
    vocabulary = json.loads((out / "tokenizer.json").read_text())
    ids = dict(vocabulary["model"]["vocab"])
    ids.update({t["content"]: t["id"] for t in vocabulary["added_tokens"]})
    Path(f"expected/{recipe.stem}.json").write_text(json.dumps({"vocab": ids}, indent=1, sort_keys=True) + "\n")
