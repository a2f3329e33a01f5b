#!/usr/bin/env bash
# KerasHub 0.32.0: `BertBackbone.from_preset` of a folder that transformers 5.24.0 wrote takes sizes and weights from it and leaves
# `hidden_act` of its config.json unread: whatever activation the checkpoint was trained with ("gelu", which is BERT's own, "relu"),
# KerasHub computes GELU's tanh approximation, without a word. Only a checkpoint that says "gelu_new" gives transformers' outputs.
# Seen: "outputs of one checkpoint, greatest difference: gelu_new below 1e-4 True, gelu above 1e-4 True, relu above 1e-1 True".
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 keras-hub==0.32.0 tensorflow==2.21.0 \
  torch==2.13.0 transformers==5.24.0 numpy==2.4.6
cd "$folder"
seen=$(KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 HF_HUB_OFFLINE=1 venv/bin/python -c '
import torch, transformers
import numpy as np, keras_hub
ids = np.random.default_rng(0).integers(1, 100, (2, 12))
ones = np.ones_like(ids)
sizes = dict(vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, max_position_embeddings=32)
def apart(act):
    torch.manual_seed(0)
    model = transformers.BertModel(transformers.BertConfig(**sizes, hidden_act=act, initializer_range=0.3)).eval()
    model.save_pretrained(act)
    backbone = keras_hub.models.BertBackbone.from_preset(f"./{act}")
    with torch.no_grad():
        right = model(torch.tensor(ids), attention_mask=torch.tensor(ones)).last_hidden_state.numpy()
    found = backbone({"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": ones})["sequence_output"]
    greatest = np.abs(np.asarray(found) - right).max()
    print(f"{act}: {greatest:.1e} apart, of {np.abs(right).max():.1f}")
    return greatest
new, exact, relu = apart("gelu_new"), apart("gelu"), apart("relu")
print(f"outputs of one checkpoint, greatest difference: gelu_new below 1e-4 {new < 1e-4}, gelu above 1e-4 {exact > 1e-4}, relu above 1e-1 {relu > 1e-1}")
' 2>/dev/null | tail -n 4)
echo "$seen"
grep -q "gelu_new below 1e-4 True, gelu above 1e-4 True, relu above 1e-1 True" <<<"$seen"
