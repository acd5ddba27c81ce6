"""The model families that Midspan runs, as data: one entry each over one shared transformer.

Nothing of a checkpoint is ever run: `architectures` and `auto_map` of a `config.json` are read as
names and no more.
"""

from __future__ import annotations

from types import MappingProxyType

from midspan_engine.models.family_spec import FamilySpec, MarkNames, Options, TensorNames

_PARTS = (
    "input_layernorm",
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.q_norm",
    "self_attn.k_norm",
    "self_attn.o_proj",
    "post_attention_layernorm",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)
HUGGING_FACE_NAMES = TensorNames(
    embedding="model.embed_tokens.weight",
    norm="model.norm.weight",
    head="lm_head.weight",
    layer="model.layers.{}.",
    parts=MappingProxyType({part: part for part in _PARTS}),
)
_LLADA_NAMES = TensorNames(
    embedding="model.transformer.wte.weight",
    norm="model.transformer.ln_f.weight",
    head="model.transformer.ff_out.weight",
    layer="model.transformer.blocks.{}.",
    parts=MappingProxyType(
        {
            "input_layernorm": "attn_norm",
            "self_attn.q_proj": "q_proj",
            "self_attn.k_proj": "k_proj",
            "self_attn.v_proj": "v_proj",
            "self_attn.o_proj": "attn_out",
            "post_attention_layernorm": "ff_norm",
            "mlp.gate_proj": "ff_proj",
            "mlp.up_proj": "up_proj",
            "mlp.down_proj": "ff_out",
        }
    ),
)
_LLADA_FIELDS = MappingProxyType(
    {
        "vocab_size": "embedding_size",
        "hidden_size": "d_model",
        "intermediate_size": "mlp_hidden_size",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
        "num_key_value_heads": "n_kv_heads",
        "tie_word_embeddings": "weight_tying",
        "max_position_embeddings": "max_sequence_length",
    }
)
_OFF = (None, False)
_NONE = (None, 0, False)
_COMMON: Options = MappingProxyType(
    {
        "hidden_act": (None, "silu"),
        "use_sliding_window": _OFF,
        "use_mrope": _OFF,
        "mlp_bias": _OFF,
        "partial_rotary_factor": (None, 1),
        "quantization_config": (None,),
        "attn_logit_softcapping": (None,),
        "final_logit_softcapping": (None,),
        "logit_scale": (None, 1),
        "num_experts": _NONE,
        "num_local_experts": _NONE,
        "n_routed_experts": _NONE,
    }
)
_WITHOUT_BIAS: Options = MappingProxyType({**_COMMON, "attention_bias": _OFF})
# Fast-dLLM's own later experiments add parts to the network under the same class name.
_FAST_DLLM: Options = MappingProxyType(
    {
        **_COMMON,
        "use_relay": _OFF,
        "use_cab": _OFF,
        "use_mlp_carry": _OFF,
        "use_loopholing": _OFF,
    }
)
# Its class has other defaults than the published files, so most of these have to be there.
_LLADA: Options = MappingProxyType(
    {
        "activation_type": ("silu",),
        "alibi": _OFF,
        "attention_layer_norm": _OFF,
        "bias_for_layer_norm": (False,),
        "block_group_size": (None, 1),
        "block_type": ("llama",),
        "clip_qkv": (None,),
        "include_bias": (False,),
        "include_qkv_bias": _OFF,
        "input_emb_norm": _OFF,
        "layer_norm_type": ("rms",),
        "layer_norm_with_affine": (None, True),
        "multi_query_attention": _OFF,
        "quantization_config": (None,),
        "rope": (True,),
        "scale_logits": _OFF,
    }
)
_NANO: Options = MappingProxyType({"qkv_bias": (False,), "qk_norm": (True,)})
_DREAM_MARKS = MarkNames(
    mask=("<|mask|>",),
    begin=("<|beginoftext|>",),
    end=("<|endoftext|>",),
    documented_mask=151_666,
)
_DREAM_CLASSES = ("DreamModel", "DreamForCausalLM", "DreamForDiffusionLM")

FAMILIES = (
    FamilySpec(
        name="open-dcoder",
        hub=("fredzzp/open-dcoder-0.5B",),
        licence="Apache-2.0 (of the code repository)",
        model_types=("qwen2",),
        splits_like_qwen2=True,
        classes=("Qwen2ForCausalLM",),
        told_by="<M>",
        options=_COMMON,
        tensors=HUGGING_FACE_NAMES,
        qkv_bias=True,
        decoding="canvas",
        shift=True,
        marks=MarkNames(mask=("<M>",), end=("<|endoftext|>",), documented_mask=151_665),
    ),
    FamilySpec(
        name="qwen2",
        hub=("Qwen/Qwen2.5-Coder-0.5B-Instruct", "Qwen/Qwen2.5-Coder-1.5B"),
        licence="Apache-2.0",
        model_types=("qwen2",),
        splits_like_qwen2=True,
        classes=("Qwen2ForCausalLM",),
        options=_COMMON,
        tensors=HUGGING_FACE_NAMES,
        qkv_bias=True,
        decoding="causal",
        layout="fim",
    ),
    FamilySpec(
        name="dreamon",
        hub=("Dream-org/DreamOn-v0-7B",),
        licence="Apache-2.0",
        model_types=("dream",),
        splits_like_qwen2=True,
        classes=_DREAM_CLASSES,
        told_by="<|expand|>",
        options=_COMMON,
        tensors=HUGGING_FACE_NAMES,
        qkv_bias=True,
        decoding="canvas",
        shift=True,
        marks=MarkNames(
            mask=("<|mask|>",),
            begin=("<|beginoftext|>",),
            end=("<|endoftext|>",),
            expand=("<|expand|>",),
            # The released weights delete with the end of text.
            delete=("<|delete|>", "<|endoftext|>"),
            documented_mask=151_666,
        ),
    ),
    FamilySpec(
        name="diffucoder",
        hub=("apple/DiffuCoder-7B-Base", "apple/DiffuCoder-7B-Instruct"),
        licence="Apple's model licence",
        model_types=("dream",),
        splits_like_qwen2=True,
        classes=_DREAM_CLASSES,
        told_by="<|dlm_pad|>",
        options=_COMMON,
        tensors=HUGGING_FACE_NAMES,
        qkv_bias=True,
        decoding="canvas",
        shift=True,
        marks=MarkNames(
            mask=("<|mask|>",),
            begin=("<|beginoftext|>",),
            end=("<|endoftext|>", "<|dlm_pad|>"),
            documented_mask=151_666,
        ),
    ),
    FamilySpec(
        name="dream",
        hub=("Dream-org/Dream-v0-Base-7B", "Dream-org/Dream-Coder-v0-Base-7B"),
        licence="Apache-2.0",
        model_types=("dream",),
        splits_like_qwen2=True,
        classes=_DREAM_CLASSES,
        options=_COMMON,
        tensors=HUGGING_FACE_NAMES,
        qkv_bias=True,
        decoding="canvas",
        shift=True,
        marks=_DREAM_MARKS,
    ),
    FamilySpec(
        name="llada",
        hub=("GSAI-ML/LLaDA-8B-Base", "GSAI-ML/LLaDA-8B-Instruct", "GSAI-ML/LLaDA-1.5"),
        licence="MIT",
        model_types=("llada",),
        classes=("LLaDAModelLM",),
        fields=_LLADA_FIELDS,
        options=_LLADA,
        tensors=_LLADA_NAMES,
        decoding="canvas",
        marks=MarkNames(
            mask=("<|mdm_mask|>",),
            begin=("<|startoftext|>",),
            end=("<|endoftext|>",),
            documented_mask=126_336,
        ),
    ),
    FamilySpec(
        name="stable-diffcoder",
        hub=(
            "ByteDance-Seed/Stable-DiffCoder-8B-Base",
            "ByteDance-Seed/Stable-DiffCoder-8B-Instruct",
        ),
        licence="MIT",
        model_types=("llama",),
        classes=("StableDiffcoderForCausalLM",),
        class_needed=True,
        options=_WITHOUT_BIAS,
        tensors=HUGGING_FACE_NAMES,
        decoding="block",
        block=4,
        layout="fim",
        marks=MarkNames(
            mask=("<[MASK]>", "<[MASK▁TOKEN]>"),
            begin=("<[begin▁of▁sentence]>",),
            end=("<[end▁of▁sentence]>",),
            fim=("<[fim-prefix]>", "<[fim-suffix]>", "<[fim-middle]>"),
            documented_mask=5,
        ),
    ),
    FamilySpec(
        name="fast-dllm-v2",
        hub=("Efficient-Large-Model/Fast_dLLM_v2_1.5B", "Efficient-Large-Model/Fast_dLLM_v2_7B"),
        licence="Apache-2.0",
        model_types=("fast_dllm_qwen",),
        splits_like_qwen2=True,
        classes=("Fast_dLLM_QwenForCausalLM",),
        options=_FAST_DLLM,
        tensors=HUGGING_FACE_NAMES,
        qkv_bias=True,
        decoding="block",
        shift=True,
        block=32,
        block_field="bd_size",
        layout="fim",
        marks=MarkNames(
            mask=("|<MASK>|", "<|mask|>"),
            end=("<|im_end|>", "<|endoftext|>"),
            documented_mask=151_665,
        ),
    ),
    FamilySpec(
        name="sdar",
        hub=("JetLM/SDAR-1.7B-Chat", "JetLM/SDAR-4B-Chat", "JetLM/SDAR-8B-Chat"),
        licence="Apache-2.0",
        model_types=("sdar",),
        splits_like_qwen2=True,
        classes=("SDARForCausalLM",),
        options=_WITHOUT_BIAS,
        tensors=HUGGING_FACE_NAMES,
        qk_norm=True,
        decoding="block",
        block=4,
        block_field="block_size",
        layout="fim",
        marks=MarkNames(mask=("<|MASK|>",), end=("<|endoftext|>",), documented_mask=151_669),
    ),
    FamilySpec(
        name="midspan-nano",
        hub=(),
        licence="Apache-2.0",
        model_types=("midspan-nano",),
        classes=(),
        says=MappingProxyType({"objective": "diffusion"}),
        options=_NANO,
        tensors=HUGGING_FACE_NAMES,
        qk_norm=True,
        decoding="canvas",
        marks=MarkNames(
            mask=("<|mask|>",),
            end=("<|endoftext|>",),
            expand=("<|expand|>",),
            delete=("<|delete|>",),
        ),
    ),
    FamilySpec(
        name="midspan-nano-ar",
        hub=(),
        licence="Apache-2.0",
        model_types=("midspan-nano",),
        classes=(),
        says=MappingProxyType({"objective": "ar"}),
        options=_NANO,
        tensors=HUGGING_FACE_NAMES,
        qk_norm=True,
        decoding="causal",
        layout="fim",
    ),
)


def family_named(name: str) -> FamilySpec:
    """Return the entry of this name.

    Raises:
        KeyError: there is none.
    """
    return {spec.name: spec for spec in FAMILIES}[name]


def licence_of(repository: str) -> str:
    """Licence of a hub repository in the table; "unknown" for any other."""
    return next((spec.licence for spec in FAMILIES if repository in spec.hub), "unknown")
