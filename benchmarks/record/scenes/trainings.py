"""Trainings with a data loader: pictures, sounds, texts."""

from __future__ import annotations

from typing import Any

import diffusers
import numpy as np
import torch
import transformers
from benchmarks.record.made import Made
from benchmarks.record.place import Place
from benchmarks.record.scenes.convolutions import Segments
from benchmarks.record.trainings import Sample, loaders, smooth_noise, trainer
from torch import nn
from torch.nn import functional

_SMALL = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}


def useg(at: Place) -> Made:
    """A UNet that tells apart the parts of pictures of 512x512."""
    side, part = at.pick((512, 128), (32, 16))

    def make(rng: np.random.Generator, rounds: int) -> Sample:
        channels = [np.tile(smooth_noise(rng, part), (side // part,) * 2) for _ in range(rounds)]
        picture = np.stack([channels[place % rounds] for place in range(3)])
        mask = np.clip(sum(channels) / (np.std(channels[0]) + 1e-6) * 4 + 10, 0, 20)
        return torch.from_numpy(picture), torch.from_numpy(mask.astype(np.int64))

    def loss_of(model: Any, picture: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(model(picture).float(), mask)

    net = Segments(at.pick((64, 128, 256, 512), (8, 8, 8, 8)))
    return loaders(at, make, trainer(at, net, loss_of), at.pick(12, 2), *at.pick((240, 110), (8, 4)))


def clipc(at: Place) -> Made:
    """Pictures and their texts: CLIP with patches of 16."""
    side = at.pick(224, 32)
    vision = {"image_size": side, "patch_size": 16, **at.pick({}, {**_SMALL, "intermediate_size": 32})}
    config = transformers.CLIPConfig(text_config=at.pick({}, _SMALL), vision_config=vision)

    def make(rng: np.random.Generator, rounds: int) -> Sample:
        noise = np.tile(sum(smooth_noise(rng, side // 2) for _ in range(rounds)), (2, 2))
        picture = np.stack([np.roll(noise, 7 * place, 0) for place in range(3)])
        words = rng.integers(1, 49000, 77)
        words[-1] = 49407
        return torch.from_numpy(picture), torch.from_numpy(words)

    def loss_of(model: Any, picture: torch.Tensor, words: torch.Tensor) -> Any:
        return model(input_ids=words, pixel_values=picture, return_loss=True).loss

    net = transformers.CLIPModel(config)
    return loaders(at, make, trainer(at, net, loss_of), at.pick(32, 2), *at.pick((200, 70), (8, 4)))


def ast(at: Place) -> Made:
    """A classifier of sounds by their spectrograms: the Audio Spectrogram Transformer."""
    frames, part = at.pick(1024, 64), at.pick(64, 16)
    rate, window = 160, 400
    bands = np.abs(np.random.default_rng(1).standard_normal((128, window // 2 + 1))).astype(np.float32)

    def spectrogram(rng: np.random.Generator) -> Any:
        sound = rng.standard_normal(rate * (part - 1) + window).astype(np.float32)
        sound = np.convolve(sound, np.hanning(31).astype(np.float32), "same")
        cut = np.lib.stride_tricks.sliding_window_view(sound, window)[::rate]
        power = np.abs(np.fft.rfft(cut * np.hanning(window).astype(np.float32))) ** 2
        return np.log(np.einsum("tf,mf->tm", power.astype(np.float32), bands) + 1e-6)

    def make(rng: np.random.Generator, rounds: int) -> Sample:
        views = [spectrogram(rng) for _ in range(rounds)]
        sound = np.stack([views[place % rounds] for place in range(frames // part)]).reshape(frames, 128)
        return torch.from_numpy(sound.astype(np.float32)), int(rng.integers(50))

    def loss_of(model: Any, sound: torch.Tensor, kind: torch.Tensor) -> Any:
        return model(input_values=sound, labels=kind).loss

    small = at.pick({}, {**_SMALL, "intermediate_size": 32})
    config = transformers.ASTConfig(max_length=frames, num_mel_bins=128, num_labels=50, **small)
    net = transformers.ASTForAudioClassification(config)
    return loaders(at, make, trainer(at, net, loss_of), at.pick(10, 2), *at.pick((200, 70), (8, 4)))


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = x + self.body(x)
        return out


def edsr(at: Place) -> Made:
    """Super-resolution: pictures of 96x96 to 384x384."""
    width, small = at.pick(128, 8), at.pick(96, 8)
    net = nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1),
        *(_Residual(width) for _ in range(at.pick(16, 1))),
        nn.Conv2d(width, 4 * width, 3, padding=1),
        nn.PixelShuffle(2),
        nn.Conv2d(width, 4 * width, 3, padding=1),
        nn.PixelShuffle(2),
        nn.Conv2d(width, 3, 3, padding=1),
    )

    def make(rng: np.random.Generator, rounds: int) -> Sample:
        large = np.tile(sum(smooth_noise(rng, small) for _ in range(rounds)), (4, 4))
        picture = np.stack([np.roll(large, 5 * place, 0) for place in range(3)])
        little = picture.reshape(3, small, 4, small, 4).mean((2, 4))
        return torch.from_numpy(little.astype(np.float32)), torch.from_numpy(picture.astype(np.float32))

    def loss_of(model: Any, little: torch.Tensor, large: torch.Tensor) -> torch.Tensor:
        return functional.l1_loss(model(little).float(), large)

    return loaders(at, make, trainer(at, net, loss_of), at.pick(16, 2), *at.pick((220, 90), (8, 4)))


def unoise(at: Place) -> Made:
    """A UNet that learns to denoise pictures of 64x64, each put together from many."""
    side = at.pick(64, 16)
    net = diffusers.UNet2DModel(
        sample_size=side,
        layers_per_block=1,
        block_out_channels=at.pick((128, 256, 384), (32, 32, 32)),
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        norm_num_groups=32,
    )
    scheduler = diffusers.DDPMScheduler()
    kept = scheduler.alphas_cumprod.to(at.device)

    def make(rng: np.random.Generator, rounds: int) -> Sample:
        parts = [np.roll(smooth_noise(rng, side), int(rng.integers(side)), 1) for _ in range(rounds)]
        picture = np.stack([sum(parts[place::3], parts[0]) for place in range(3)])
        if rng.random() < 0.5:
            picture = picture[:, :, ::-1]
        picture = picture / (np.abs(picture).max() + 1e-6)
        return torch.from_numpy(picture.astype(np.float32)), int(rng.integers(1000))

    def loss_of(model: Any, picture: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        noise = torch.randn_like(picture)
        share = kept[time].view(-1, 1, 1, 1)
        found = model(share.sqrt() * picture + (1 - share).sqrt() * noise, time).sample
        return functional.mse_loss(found.float(), noise)

    return loaders(at, make, trainer(at, net, loss_of), at.pick(48, 2), *at.pick((210, 80), (8, 4)))


_LETTERS = "etaoinshrdlu"


def words(at: Place) -> Made:
    """A classifier of texts: BERT with half of its layers. The loader cuts texts into pieces of words."""
    length = at.pick(256, 16)
    small = {**_SMALL, "intermediate_size": 32}
    config = transformers.BertConfig(num_labels=20, **at.pick({"num_hidden_layers": 6}, small))
    net = transformers.BertForSequenceClassification(config)
    pieces = [*_LETTERS, *(a + b for a in _LETTERS for b in _LETTERS)]
    pieces += [a + b + c for a in _LETTERS for b in _LETTERS for c in _LETTERS[::2]]
    known = {piece: number for number, piece in enumerate(pieces, 1)}

    def cut(word: str) -> list[int]:
        """The longest known pieces from left to right."""
        found = []
        while word:
            size = next(size for size in (3, 2, 1) if word[:size] in known)
            found.append(known[word[:size]])
            word = word[size:]
        return found

    def make(rng: np.random.Generator, rounds: int) -> Sample:
        numbers: list[int] = []
        for _ in range(rounds):
            letters = "".join(_LETTERS[each] for each in rng.integers(0, len(_LETTERS), 60))
            found = [number for start in range(0, 60, 6) for number in cut(letters[start : start + 6])]
            numbers = (found + numbers)[:length]
        kept = torch.zeros(length, dtype=torch.long)
        kept[: len(numbers)] = torch.tensor(numbers)
        return kept, int(rng.integers(20))

    def loss_of(model: Any, text: torch.Tensor, kind: torch.Tensor) -> Any:
        return model(input_ids=text, attention_mask=text > 0, labels=kind).loss

    return loaders(at, make, trainer(at, net, loss_of), at.pick(32, 2), *at.pick((190, 70), (8, 4)))
