"""Small random Hugging Face models with tokenizers of their own, saved as safetensors folders."""

from pathlib import Path

SPECIAL = ["<|bos|>", "<|end|>", "<|stop|>", "<|system|>", "<|user|>", "<|assistant|>", "<think>", "</think>"]
TEMPLATE = (
    "{{ '<|bos|>' }}{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
NO_SYSTEM = (
    "{{ '<|bos|>' }}{% for message in messages %}{% if message['role'] == 'system' %}"
    "{{ raise_exception('no system role') }}{% endif %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}{{ '<|assistant|>' }}"
)
THINKER = TEMPLATE.replace(
    "'<|assistant|>'", "'<|assistant|>' + ('<think></think>' if enable_thinking is false else '')"
)
ALWAYS_THINKS = TEMPLATE.replace("'<|assistant|>'", "'<|assistant|><think>'")
_TEXT = [
    "The people of the city live in houses and go to work by bus, by train and on foot.",
    'Yes, no, maybe; {"name": "Ada Lovelace", "age": 36, "likes": ["tea", "long walks"]} and 0 1 2 3 4 5 6 7 8 9.',
    "She is a teacher, he repairs clocks, they have two children and a dog that sleeps all day.",
]


def save_tokenizer(folder: Path, template: str) -> int:
    """Save a byte-level BPE tokenizer with a chat template; return its size."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=SPECIAL[:6], initial_alphabet=sorted(alphabet))
    tokenizer.train_from_iterator(_TEXT * 4, trainer)
    tokenizer.add_tokens(SPECIAL[6:])
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|bos|>", eos_token="<|end|>", pad_token="<|end|>"
    )
    wrapped.chat_template = template
    wrapped.save_pretrained(folder)
    return len(wrapped)


def save_model(folder: Path, kind: str = "llama", *, template: str = TEMPLATE, seed: int = 0, **config) -> Path:
    """Save a random model of an architecture ("llama", "mistral", "qwen3", "gemma3", "gpt2") with its tokenizer."""
    import torch
    import transformers

    size = save_tokenizer(folder, template)
    # Gemma's and Qwen's layers alternate; a window of 8 is shorter than every prompt.
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4}
    sizes |= {"num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 1024, "initializer_range": 0.3}
    sizes |= {"vocab_size": size, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    kinds = ["sliding_attention", "full_attention", "sliding_attention"]
    made = {
        "llama": lambda: transformers.LlamaConfig(**sizes | config),
        "mistral": lambda: transformers.MistralConfig(**sizes | {"sliding_window": 8} | config),
        "qwen3": lambda: transformers.Qwen3Config(
            **sizes | {"sliding_window": 8, "use_sliding_window": True, "layer_types": kinds} | config
        ),
        "gemma3": lambda: transformers.Gemma3TextConfig(**sizes | {"sliding_window": 8, "layer_types": kinds} | config),
        "gpt2": lambda: transformers.GPT2Config(
            vocab_size=size, n_embd=32, n_layer=2, n_head=4, n_positions=512, initializer_range=0.3, eos_token_id=1
        ),
        "mamba": lambda: transformers.MambaConfig(vocab_size=size, hidden_size=32, num_hidden_layers=2),
    }[kind]()
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(made).eval()
    model.save_pretrained(folder)
    return folder


def save_adapter(folder: Path, model: Path, *, seed: int, scale: float = 0.4, **config) -> Path:
    """Save a random LoRA adapter for a model; both matrices are random, so that it changes what the model says."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    knobs = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj", "down_proj"], "task_type": "CAUSAL_LM"}
    adapted = get_peft_model(
        AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32), LoraConfig(**knobs | config)
    )
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name and "magnitude" not in name:
                weight.normal_(0, scale)
    adapted.save_pretrained(folder)
    return folder
