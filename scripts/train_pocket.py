"""Train the embedded model: tokenizer, samples made as they are needed, Muon and AdamW, export every few minutes.

    python scripts/train_pocket.py --out src/cityfolk/pocket/weights --minutes 75

The learning rate follows the clock (warm-up, then a cosine to a tenth), so a run ends when it was told to; samples have
addresses, so the data don't depend on how fast the machine is. Needs the `train` extra.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from pocket_citizens import NamePool
from pocket_data import Copies, make_sample, token_ids, train_tokenizer
from pocket_model import Guide, PocketModel, Shape

Batch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
# Heads that are shown where to look: (layer, head, how far back); from the end of a trait's line to its label and the
# two tokens behind it; (layer, head) that finds what is copied; and to the line of the trait that a statement shows.
BACK = ((1, 2, 1), (1, 3, 2))
LINE = ((2, 0, 0), (2, 1, 1), (2, 2, 2))
COPY = ((3, 2), (3, 3), (4, 3))
TRAIT = ((3, 0), (4, 0))


def batches(tokenizer: Tokenizer, names: NamePool, args: argparse.Namespace, split: str) -> Iterator[Batch]:
    """Yield (ids, targets) of about `args.tokens` tokens; samples of like length share a batch."""
    copies = Copies(tokenizer)
    number, generator = args.start, torch.Generator().manual_seed(args.seed)
    while True:
        pool = []
        for _ in range(args.pool):
            prompt, reply = token_ids(make_sample(args.seed, split, number, names), tokenizer)
            pool.append((prompt, reply))
            number += 1
        pool.sort(key=lambda pair: len(pair[0]) + len(pair[1]))
        groups: list[list[tuple[list[int], list[int]]]] = [[]]
        for pair in pool:
            longest = len(pair[0]) + len(pair[1])
            if groups[-1] and longest * (len(groups[-1]) + 1) > args.tokens:
                groups.append([])
            groups[-1].append(pair)
        for place in torch.randperm(len(groups), generator=generator).tolist():
            yield collate(groups[place], copies)


def collate(pairs: list[tuple[list[int], list[int]]], copies: Copies) -> Batch:
    """Return ids and next-token targets, -1 where nothing is learned (prompt and padding)."""
    length = max(len(p) + len(r) for p, r in pairs) - 1
    ids = torch.full((len(pairs), length), 4, dtype=torch.long)
    targets = torch.full((len(pairs), length), -1, dtype=torch.long)
    sources = torch.full((len(pairs), length), -1, dtype=torch.long)
    levels = torch.full((len(pairs), length), -1, dtype=torch.long)
    labels = torch.full((len(pairs), length), -1, dtype=torch.long)
    for row, (prompt, reply) in enumerate(pairs):
        whole = torch.tensor(prompt + reply)
        ids[row, : len(whole) - 1] = whole[:-1]
        targets[row, len(prompt) - 1 : len(whole) - 1] = whole[len(prompt) :]
        for place, source in copies.find(prompt, reply):
            sources[row, len(prompt) + place - 1] = source
        for place, source in copies.levels(prompt, reply):
            levels[row, len(prompt) + place - 1] = source
        for end, label in copies.lines(prompt):
            labels[row, end] = label
    return ids, targets, sources, levels, labels


def guides(batch: Batch) -> tuple[Guide, ...]:
    """Return where the guided heads should look in a batch."""
    ids, _, sources, levels, labels = batch
    count = min(400, ids.numel())
    rows = torch.randint(2, ids.shape[1], (count,))
    which = torch.randint(0, ids.shape[0], (count,))
    found = [Guide(layer, head, (which, rows, rows - back)) for layer, head, back in BACK]
    batch_at, row_at = torch.nonzero(labels >= 0, as_tuple=True)
    for layer, head, on in LINE if len(row_at) else ():
        found.append(Guide(layer, head, (batch_at, row_at, labels[batch_at, row_at] + on)))
    for places, heads in ((sources, COPY), (levels, TRAIT)):
        batch_at, row_at = torch.nonzero(places >= 0, as_tuple=True)
        if len(row_at):
            kept = torch.randperm(len(row_at))[:300]
            batch_at, row_at = batch_at[kept], row_at[kept]
            found += [Guide(layer, head, (batch_at, row_at, places[batch_at, row_at])) for layer, head in heads]
    return tuple(found)


def accumulate(
    model: PocketModel, parts: list[Batch], pool: ThreadPoolExecutor, guidance: float
) -> tuple[float, list[float]]:
    """Put the mean gradient of several batches in the weights, each batch on a thread of its own; return the loss.

    Threads that meet once a step lose less on a busy machine than ones that meet in every matrix product.
    """
    weights = list(model.parameters())

    def gradient(part: Batch) -> tuple[float, tuple[Tensor, ...], list[float]]:
        shown = guides(part) if guidance else ()
        loss = model.loss(part[0], part[1], shown)
        extra = [guide.loss for guide in shown if guide.loss is not None]
        total = loss + guidance * torch.stack(extra).sum() if extra else loss
        return float(loss.detach()), torch.autograd.grad(total, weights), [float(value.detach()) for value in extra]

    results = list(pool.map(gradient, parts))
    # A batch counts by what it teaches: tokens to learn, but a tenth of a full batch at least.
    sizes = [max(int((targets >= 0).sum()), ids.numel() // 16) for ids, targets, *_ in parts]
    shares = torch.tensor(sizes, dtype=torch.float32) / sum(sizes)
    full = min(1.0, 2 * sum(sizes) / sum(ids.numel() for ids, *_ in parts))
    for weight, *grads in zip(weights, *(grads for _, grads, _ in results), strict=True):
        weight.grad = full * torch.tensordot(shares, torch.stack(grads), dims=1)
    mean = sum(loss * float(share) for (loss, _, _), share in zip(results, shares, strict=True))
    return mean, max((extra for _, _, extra in results), key=len)


def optimizers(model: PocketModel, rate: float) -> list[torch.optim.Optimizer]:
    """Return Muon (Jordan et al. 2024) for the matrices of the layers and AdamW for the embedding and the norms."""
    matrices = [w for n, w in model.named_parameters() if w.ndim == 2 and not n.startswith("embed")]
    others = [w for n, w in model.named_parameters() if w.ndim != 2 or n.startswith("embed")]
    return [Muon(matrices, rate), torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.0)]


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal (Jordan et al. 2024), in float32: this kind of CPU has no fast bfloat16 products.

    The update is scaled to the size of AdamW's (Liu et al. 2025, "Muon is scalable for LLM training").
    """

    def __init__(self, weights: list[Tensor], rate: float, momentum: float = 0.95, decay: float = 0.05) -> None:
        super().__init__(weights, {"lr": rate, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every weight; matrices of one size are made orthogonal together."""
        for group in self.param_groups:
            sizes: dict[torch.Size, list[Tensor]] = {}
            for weight in group["params"]:
                sizes.setdefault(weight.shape, []).append(weight)
            for weights in sizes.values():
                updates = []
                for weight in weights:
                    speed = self.state[weight].setdefault("speed", torch.zeros_like(weight))
                    speed.lerp_(weight.grad, 1 - group["momentum"])
                    updates.append(weight.grad.lerp(speed, group["momentum"]))
                whole = orthogonal(torch.stack(updates))
                scale = group["lr"] * 0.2 * max(whole.shape[1:]) ** 0.5
                for weight, update in zip(weights, whole, strict=True):
                    weight.mul_(1 - group["lr"] * group["decay"]).add_(update, alpha=-scale)


def orthogonal(matrices: Tensor, steps: int = 5) -> Tensor:
    """Return near-orthogonal matrices by a quintic Newton-Schulz iteration; (count, rows, columns)."""
    x = matrices.transpose(1, 2) if matrices.shape[1] > matrices.shape[2] else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.transpose(1, 2) if matrices.shape[1] > matrices.shape[2] else x


def rate_at(share: float, step: int, peak: float) -> float:
    """Return the learning rate when `share` of the time is gone."""
    warm = min(1.0, (step + 1) / 40)
    return peak * warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))


@torch.no_grad()
def held_out(model: PocketModel, sets: list[Batch]) -> float:
    """Return the mean loss in nats a token over batches that training never sees."""
    losses = [(float(model.loss(ids, targets)), int((targets >= 0).sum())) for ids, targets, *_ in sets]
    return sum(loss * count for loss, count in losses) / sum(count for _, count in losses)


def train(args: argparse.Namespace) -> None:
    """Run the training that the arguments describe."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    names = NamePool()
    if args.resume:
        tokenizer = Tokenizer.from_file(str(args.out / "tokenizer.json"))
    else:
        tokenizer = train_tokenizer(args.seed, names)
    model = PocketModel(Shape(vocabulary=tokenizer.get_vocab_size()))
    steps = optimizers(model, args.rate)
    if args.resume:
        saved = torch.load(args.checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        for optimizer, state in zip(steps, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
    pool = ThreadPoolExecutor(args.workers)
    stream = batches(tokenizer, names, args, "train")
    fixed = argparse.Namespace(**{**vars(args), "pool": 48, "tokens": 4096, "start": 0})
    held = batches(tokenizer, names, fixed, "held-out")
    sets = [next(held) for _ in range(5)]
    begun = last = time.monotonic()
    seen = step = 0
    smooth = 0.0
    while (share := (time.monotonic() - begun) / (60 * args.minutes)) < 1:
        parts = [next(stream) for _ in range(args.workers)]
        now = rate_at(share * (1 - args.skip) + args.skip, step, args.rate)
        for optimizer in steps:
            for group in optimizer.param_groups:
                group["lr"] = now
        loss, extra = accumulate(model, parts, pool, args.guidance)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in steps:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        seen, step = seen + sum(ids.numel() for ids, *_ in parts), step + 1
        smooth = loss if step == 1 else 0.95 * smooth + 0.05 * loss
        if step % 20 == 0:
            pace = seen / (time.monotonic() - begun)
            shown = " ".join(f"{value:.2f}" for value in extra)
            print(f"step {step} tokens {seen} loss {smooth:.4f} rate {now:.5f} {pace:.0f} tokens/s {shown}", flush=True)
        if time.monotonic() - last > 60 * args.every:
            last = time.monotonic()
            save(model, steps, tokenizer, args)
            print(f"held-out {held_out(model, sets):.4f} at {seen} tokens", flush=True)
    save(model, steps, tokenizer, args)
    print(f"done: {seen} tokens, {step} steps, held-out {held_out(model, sets):.4f}", flush=True)


def save(
    model: PocketModel, steps: list[torch.optim.Optimizer], tokenizer: Tokenizer, args: argparse.Namespace
) -> None:
    """Write the export that the package ships and the checkpoint that training can go on from."""
    model.export(args.out, tokenizer.to_str())
    staged = args.checkpoint.with_suffix(".part")
    torch.save({"model": model.state_dict(), "optimizers": [o.state_dict() for o in steps]}, staged)
    staged.replace(args.checkpoint)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights and the tokenizer")
    parser.add_argument("--checkpoint", type=Path, default=Path("pocket.pt"), help="file to resume from")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint, with the exported tokenizer")
    parser.add_argument("--minutes", type=float, default=75, help="wall-clock time of the run")
    parser.add_argument("--every", type=float, default=4, help="minutes between exports")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="batches a step, a thread each")
    parser.add_argument("--tokens", type=int, default=4096, help="tokens a batch")
    parser.add_argument("--pool", type=int, default=256, help="samples sorted by length at a time")
    parser.add_argument("--rate", type=float, default=4e-3, help="peak learning rate")
    parser.add_argument("--skip", type=float, default=0.0, help="share of the cosine that lies behind a resumed run")
    parser.add_argument("--start", type=int, default=0, help="number of the first sample")
    parser.add_argument("--guidance", type=float, default=0.1, help="weight of each guided head's loss")
    parser.add_argument("--seed", type=int, default=1)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
