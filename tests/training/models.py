"""What the tests of training share: small models, random triples, adapters that do something."""

import numpy as np
import torch

from cityfolk.training.tokens import Triple

VOCABULARY = 97


def small_llama(seed=0, **config):
    """A random Llama of two layers with grouped queries and rotary positions, frozen, in float32."""
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    sizes |= {"num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 512, "initializer_range": 0.3}
    sizes |= {"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(**sizes | config)).eval().requires_grad_(False)


def adapted(model, seed=1, scale=0.1, targets=("q_proj", "v_proj", "down_proj"), dropout=0.0):
    """The model with a LoRA adapter of random numbers on both sides."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = LoraConfig(r=4, lora_alpha=8, lora_dropout=dropout, target_modules=list(targets), task_type="CAUSAL_LM")
    wrapped = get_peft_model(model, config)
    with torch.no_grad():
        for name, weight in wrapped.named_parameters():
            if "lora_" in name:
                weight.normal_(0, scale)
    return wrapped.eval()


def triples(*lengths, seed=0, vocabulary=VOCABULARY):
    """Random triples of the given (prompt, chosen, rejected) lengths; a rejected length of 0 means none."""
    draw = np.random.default_rng(seed)
    return [
        Triple(
            name=f"pair {number}",
            prompt=draw.integers(2, vocabulary, prompt),
            chosen=draw.integers(2, vocabulary, chosen),
            rejected=draw.integers(2, vocabulary, rejected) if rejected else None,
        )
        for number, (prompt, chosen, rejected) in enumerate(lengths)
    ]


def gradients(model):
    """The gradients of what is trained, by name; they are cleared."""
    found = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad(set_to_none=True)
    return found
