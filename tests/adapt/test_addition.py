"""What an adaptation adds: found from few images, never negative, lowered for the photographs' sake."""

from __future__ import annotations

import numpy as np
import pytest

from fauxto.adapt.addition import Addition, choose_penalty, fit, folds_of, held_out, lowering, rescaling
from fauxto.adapt.run import Described, fit_addition


def sample(count: int, shift: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features (2 count, 60), the first 20 of which differ between the classes by `shift`, and labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], count)
    features = rng.normal(size=(2 * count, 60))
    features[:, :20] += shift * labels[:, None]
    return features, labels


def described(features: np.ndarray, labels: np.ndarray, log_odds: np.ndarray) -> Described:
    """As if a bundle had said so."""
    groups = tuple(str(row) for row in range(len(labels)))
    return Described(features, log_odds, labels, groups, tuple(range(len(labels))), "", 0, 0)


def test_a_fit_is_the_minimum_of_the_penalised_loss() -> None:
    features, labels = sample(12, 2.0)
    offsets = np.linspace(-1, 1, len(labels))
    found = fit(features, offsets, labels, 0.1)

    def loss(weights: np.ndarray, bias: float) -> float:
        log_odds = features @ weights + bias + offsets
        each = np.logaddexp(0, np.where(labels == 1, -log_odds, log_odds))
        standard = weights * features.std(0) * np.sqrt(features.shape[1])
        return float(0.5 * (each[labels == 1].mean() + each[labels == 0].mean()) + 0.05 * (standard**2).sum())

    best, rng = loss(found.weights, found.bias), np.random.default_rng(1)
    for _ in range(200):
        step = rng.normal(size=60) * 1e-3
        assert loss(found.weights + step, found.bias) >= best
        assert loss(found.weights, found.bias + float(rng.normal()) * 1e-2) >= best - 1e-9


def test_a_model_that_is_right_already_gains_next_to_nothing() -> None:
    features, labels = sample(12, 0.0)
    right = np.where(labels == 1, 8.0, -8.0)
    assert np.abs(fit(features, right, labels, 1.0).weights).max() < 0.01


def test_ten_images_teach_what_the_model_misses_and_hold_on_others() -> None:
    features, labels = sample(10, 2.0, seed=1)
    found = described(features, labels, np.full(20, -3.0))
    addition, adaptation = fit_addition(found, threshold=2.0, max_fpr=0.01)
    new, truth = sample(200, 2.0, seed=2)
    after = -3.0 + addition.of(new)
    assert (after[truth == 1] > after[truth == 0].max()).mean() > 0.5
    assert (after[truth == 0] >= 2.0).mean() < 0.02
    assert (after[truth == 1] >= 2.0).mean() > 0.5
    assert adaptation.found_before == 0.0


def test_scores_never_fall() -> None:
    features, labels = sample(10, 5.0)
    addition, _ = fit_addition(described(features, labels, np.zeros(20)), 2.0, 0.01)
    assert addition.of(np.random.default_rng(3).normal(size=(500, 60)) * 4).min() >= 0


def test_constant_features_and_another_scale_change_nothing() -> None:
    features, labels = sample(12, 3.0)
    offsets = np.zeros(len(labels))
    plain = fit(features, offsets, labels, 0.1).of(features)
    scaled = fit(features * 1000 + 7, offsets, labels, 0.1).of(features * 1000 + 7)
    assert scaled == pytest.approx(plain, abs=1e-5)
    constant = np.concatenate([features, np.full((len(labels), 1), 3.0)], axis=1)
    assert np.isfinite(fit(constant, offsets, labels, 0.1).weights).all()
    assert fit(constant, offsets, labels, 0.1).weights[-1] == 0


def test_folds_hold_both_classes_and_never_split_a_pair() -> None:
    labels = np.repeat([0, 1], 13)
    groups = [f"pair {row % 13}" for row in range(26)]
    folds = folds_of(labels, groups)
    for fold in range(5):
        assert set(labels[folds == fold].tolist()) == {0, 1}
    assert all(len({int(folds[row]) for row in range(26) if groups[row] == name}) == 1 for name in groups)


def test_noise_calls_for_a_stronger_penalty_than_a_clear_difference() -> None:
    def chosen(shift: float) -> float:
        features, labels = sample(25, shift, seed=4)
        folds = folds_of(labels, [str(row) for row in range(50)])
        return choose_penalty(features, np.zeros(50), labels, folds)

    assert chosen(0.0) > chosen(2.0)


def test_held_out_values_come_from_fits_without_the_image() -> None:
    features, labels = sample(10, 0.0, seed=5)
    folds = folds_of(labels, [str(row) for row in range(20)])
    unseen = held_out(features, np.zeros(20), labels, folds, 0.01)
    seen = fit(features, np.zeros(20), labels, 0.01)
    inside = features @ seen.weights + seen.bias
    assert (unseen * (2 * labels - 1)).mean() < (inside * (2 * labels - 1)).mean()


def test_what_the_penalty_shrank_is_scaled_up_and_what_is_no_use_is_dropped() -> None:
    labels = np.repeat([0, 1], 40)
    small = np.where(labels == 1, 0.1, -0.1) + np.random.default_rng(0).normal(0, 0.05, 80)
    slope, shift = rescaling(small, np.zeros(80), labels)
    assert slope > 20
    assert abs(shift) < 1
    assert rescaling(-small, np.zeros(80), labels) == (0.0, 0.0)


def test_lowering_leaves_no_more_new_accusations_than_allowed() -> None:
    added, before = np.array([5.0, 3.0, 1.0, 9.0]), np.array([0.0, 0.0, 0.0, 4.0])
    assert lowering(added, before, threshold=2.0, allowed=0) == pytest.approx(3.0, abs=1e-5)
    assert lowering(added, before, threshold=2.0, allowed=1) == pytest.approx(1.0, abs=1e-5)
    assert lowering(added, before, threshold=2.0, allowed=3) == 0.0  # the fourth was accused before
    addition = Addition(np.array([1.0]), 0.0).moved(1.0, -3.0 - 1e-5)
    assert (before[:3] + addition.of(added[:3, None]) < 2.0).all()
