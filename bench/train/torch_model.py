"""DeepSeek-V3's architecture in PyTorch 1.13, as one would write it for training: the peer that Fathom's training speed is
held against. Names, shapes and meaning are those of a config.json and of published checkpoints, so that both read the
same weights; check.py shows that both compute the same.

Shapes: B sequences, S positions, T = B S tokens, D hidden_size, H heads, N qk_nope_head_dim, P qk_rope_head_dim,
V v_head_dim, R kv_lora_rank, E experts, K experts per token.
"""

import json
import struct

import torch
import torch.nn.functional as F
from torch import nn


class RmsNorm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        x = x.float()
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


def linear(inputs, outputs):
    return nn.Linear(inputs, outputs, bias=False)


def rotate(x_BSHP, turns_SP):
    """Turns neighbouring pairs of numbers, as the published checkpoints store them."""
    pairs = torch.view_as_complex(x_BSHP.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns_SP[:, None, :]).flatten(-2)


class Attention(nn.Module):
    """Multi-head latent attention in its expanded form, the one that trains."""

    def __init__(self, c):
        super().__init__()
        self.heads = c["num_attention_heads"]
        self.nope, self.rope = c["qk_nope_head_dim"], c["qk_rope_head_dim"]
        self.v_dim, self.rank = c["v_head_dim"], c["kv_lora_rank"]
        dim, q_rank, eps = c["hidden_size"], c["q_lora_rank"], c["rms_norm_eps"]
        self.q_a_proj = linear(dim, q_rank)
        self.q_a_layernorm = RmsNorm(q_rank, eps)
        self.q_b_proj = linear(q_rank, self.heads * (self.nope + self.rope))
        self.kv_a_proj_with_mqa = linear(dim, self.rank + self.rope)
        self.kv_a_layernorm = RmsNorm(self.rank, eps)
        self.kv_b_proj = linear(self.rank, self.heads * (self.nope + self.v_dim))
        self.o_proj = linear(self.heads * self.v_dim, dim)

    def forward(self, x_BSD, turns_SP, mask_SS):
        b, s, _ = x_BSD.shape
        q = self.q_b_proj(self.q_a_layernorm(self.q_a_proj(x_BSD))).view(b, s, self.heads, -1)
        q_nope, q_pe = q.split([self.nope, self.rope], -1)
        latent, k_pe = self.kv_a_proj_with_mqa(x_BSD).split([self.rank, self.rope], -1)
        kv = self.kv_b_proj(self.kv_a_layernorm(latent)).view(b, s, self.heads, -1)
        k_nope, v = kv.split([self.nope, self.v_dim], -1)
        k_pe = rotate(k_pe.unsqueeze(2), turns_SP).to(k_nope.dtype).expand(-1, -1, self.heads, -1)
        q_BHSd = torch.cat([q_nope, rotate(q_pe, turns_SP).to(q_nope.dtype)], -1).transpose(1, 2)
        k_BHSd = torch.cat([k_nope, k_pe], -1).transpose(1, 2)
        q_BHSd = q_BHSd * (self.nope + self.rope) ** -0.5
        scores_BHSS = torch.matmul(q_BHSd, k_BHSd.transpose(2, 3)) + mask_SS.to(q_BHSd.dtype)
        o_BHSV = torch.matmul(scores_BHSS.softmax(-1).to(v.dtype), v.transpose(1, 2))
        return self.o_proj(o_BHSV.transpose(1, 2).reshape(b, s, -1))


class Mlp(nn.Module):
    """gate_proj and up_proj side by side: one product instead of two."""

    def __init__(self, dim, inner):
        super().__init__()
        self.gate_up_proj = linear(dim, 2 * inner)
        self.down_proj = linear(inner, dim)

    def forward(self, x):
        gate, up = self.gate_up_proj(x).chunk(2, -1)
        return self.down_proj(F.silu(gate) * up)


class Moe(nn.Module):
    """Shared experts for every token, and K of E routed ones, chosen by sigmoid score plus bias, weighted by score."""

    def __init__(self, c):
        super().__init__()
        assert c["scoring_func"] == "sigmoid" and c["topk_method"] == "noaux_tc" and c["n_group"] == 1
        dim, inner, self.count = c["hidden_size"], c["moe_intermediate_size"], c["n_routed_experts"]
        self.chosen, self.scale, self.normalise = c["num_experts_per_tok"], c["routed_scaling_factor"], c["norm_topk_prob"]
        self.gate = linear(dim, self.count)
        self.register_buffer("e_score_correction_bias", torch.zeros(self.count))
        self.experts = nn.ModuleList(Mlp(dim, inner) for _ in range(self.count))
        self.shared_experts = Mlp(dim, inner * c["n_shared_experts"])
        self.load_E = None

    def route(self, x_TD):
        with torch.autocast("cpu", enabled=False):
            scores_TE = F.linear(x_TD.float(), self.gate.weight).sigmoid()
        ids_TK = (scores_TE.detach() + self.e_score_correction_bias).topk(self.chosen, -1, sorted=False).indices
        weights_TK = scores_TE.gather(1, ids_TK)
        if self.normalise:
            weights_TK = weights_TK / (weights_TK.sum(-1, keepdim=True) + 1e-20)
        return ids_TK, weights_TK * self.scale

    def forward(self, x_BSD):
        x_TD = x_BSD.flatten(0, 1)
        ids_TK, weights_TK = self.route(x_TD)
        # Tokens in the order of their experts: each expert is two products over neighbouring rows.
        order = ids_TK.flatten().argsort()
        load = torch.bincount(ids_TK.flatten(), minlength=self.count)
        self.load_E = load if self.load_E is None else self.load_E + load
        token = order.div(self.chosen, rounding_mode="floor")
        grouped = x_TD.index_select(0, token).split(load.tolist())
        fed = torch.cat([expert(rows) for expert, rows in zip(self.experts, grouped) if len(rows)])
        fed = fed * weights_TK.flatten().index_select(0, order).unsqueeze(-1)
        return (self.shared_experts(x_TD).float().index_add(0, token, fed.float())).view_as(x_BSD)


class Block(nn.Module):
    def __init__(self, c, layer):
        super().__init__()
        dim, eps = c["hidden_size"], c["rms_norm_eps"]
        self.input_layernorm = RmsNorm(dim, eps)
        self.self_attn = Attention(c)
        self.post_attention_layernorm = RmsNorm(dim, eps)
        self.mlp = Mlp(dim, c["intermediate_size"]) if layer < c["first_k_dense_replace"] else Moe(c)

    def forward(self, x, turns, mask):
        x = x + self.self_attn(self.input_layernorm(x), turns, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Mtp(nn.Module):
    """Predicts the token after the next; embedding and head are the main model's."""

    def __init__(self, c):
        super().__init__()
        dim, eps = c["hidden_size"], c["rms_norm_eps"]
        self.enorm, self.hnorm = RmsNorm(dim, eps), RmsNorm(dim, eps)
        self.eh_proj = linear(2 * dim, dim)
        self.block = Block(c, c["num_hidden_layers"])
        self.shared_head_norm = RmsNorm(dim, eps)

    def forward(self, embedded, hidden, turns, mask):
        x = self.eh_proj(torch.cat([self.enorm(embedded), self.hnorm(hidden)], -1))
        return self.shared_head_norm(self.block(x, turns, mask))


class Transformer(nn.Module):
    def __init__(self, c):
        super().__init__()
        assert c["num_nextn_predict_layers"] == 1 and c["rope_scaling"] is None and not c["tie_word_embeddings"]
        self.config = c
        self.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.layers = nn.ModuleList(Block(c, layer) for layer in range(c["num_hidden_layers"]))
        self.norm = RmsNorm(c["hidden_size"], c["rms_norm_eps"])
        self.lm_head = linear(c["hidden_size"], c["vocab_size"])
        self.mtp = Mtp(c)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.02)
        self.cached = (0, None, None)

    def turns_and_mask(self, length):
        if self.cached[0] != length:
            dim = self.config["qk_rope_head_dim"]
            frequency = self.config["rope_theta"] ** -(torch.arange(0, dim, 2, dtype=torch.float64) / dim)
            angle = torch.arange(length, dtype=torch.float64)[:, None] * frequency
            turns = torch.polar(torch.ones_like(angle), angle).to(torch.complex64)
            self.cached = (length, turns, torch.full((length, length), -torch.inf).triu(1))
        return self.cached[1:]

    def moes(self):
        """The layers with experts by their number, the MTP module's behind the others."""
        blocks = [*self.layers, self.mtp.block]
        return {i: block.mlp for i, block in enumerate(blocks) if isinstance(block.mlp, Moe)}

    def losses(self, inputs_BS, targets_BS, with_mtp=True):
        """Sums of the cross-entropy of the next token and of the one after it (None without)."""
        turns, mask = self.turns_and_mask(inputs_BS.shape[1])
        x = self.embed_tokens(inputs_BS)
        for layer in self.layers:
            x = layer(x, turns, mask)
        x = self.norm(x)
        main = self.head_loss(x, targets_BS)
        if not with_mtp:
            return main, None
        # The last position has no token after the next.
        later = F.pad(inputs_BS[:, 1:], (0, 1))
        after = F.pad(targets_BS[:, 1:], (0, 1), value=-100)
        return main, self.head_loss(self.mtp(self.embed_tokens(later), x, turns, mask), after)

    def head_loss(self, hidden, targets_BS):
        logits = self.lm_head(hidden).flatten(0, 1)
        return F.cross_entropy(logits.float(), targets_BS.flatten(), ignore_index=-100, reduction="sum")


def read_safetensors(path):
    """Name to tensor; F32 alone, which is what a run's checkpoint holds."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8)
    out = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        assert entry["dtype"] == "F32", f"{path}: {name} is {entry['dtype']}, expected F32"
        begin, end = entry["data_offsets"]
        out[name] = data[begin:end].clone().view(torch.float32).view(entry["shape"])
    return out


def published_names(model):
    """A parameter's or buffer's own name to the published ones; two stand side by side in gate_up_proj."""
    mtp = f"layers.{model.config['num_hidden_layers']}."
    for name, _ in [*model.named_parameters(), *model.named_buffers()]:
        out = name.replace("mtp.block.", mtp).replace("mtp.shared_head_norm", mtp + "shared_head.norm")
        out = out.replace("mtp.", mtp).replace("mlp.e_score", "mlp.gate.e_score")
        out = out if out.startswith("lm_head") else "model." + out
        both = "gate_up_proj" in out
        yield name, [out.replace("gate_up", "gate"), out.replace("gate_up", "up")] if both else [out]


def published_tensors(model, of=lambda tensor: tensor.data):
    """Published name to `of` each parameter and buffer, as the checkpoint has them."""
    own = dict([*model.named_parameters(), *model.named_buffers()])
    out = {}
    for name, published in published_names(model):
        value = of(own[name])
        if value is not None:
            out.update(zip(published, value.chunk(len(published), 0)))
    return out


def load_checkpoint(model, folder):
    """Copies all weights; fails where a name is missing or left over."""
    stored = read_safetensors(f"{folder}/model.safetensors")
    for name, here in published_tensors(model).items():
        here.copy_(stored.pop(name))
    # The module's copies of embedding and head, which published checkpoints store again.
    left = [name for name in stored if not name.endswith(("embed_tokens.weight", "shared_head.head.weight"))]
    assert not left, f"{folder}: nothing takes {left}"
