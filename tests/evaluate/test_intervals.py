"""Intervals hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from fauxto.evaluate.calibration import (
    fit_platt,
    threshold_allowing,
    threshold_for_fpr,
    threshold_for_fpr_of_groups,
    threshold_missing,
)
from fauxto.evaluate.intervals import (
    allowed_errors,
    clopper_pearson,
    needed,
    percentile_interval,
    resample_counts,
    upper_bound,
)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    # As R's binom.test prints them.
    [(7, 20, 0.1539092, 0.5921885), (0, 10, 0.0, 0.3084971), (10, 10, 0.6915029, 1.0)],
)
def test_exact_intervals_are_those_of_r(count: int, total: int, low: float, high: float) -> None:
    assert clopper_pearson(count, total) == pytest.approx((low, high), abs=1e-7)


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3, 0.5, 0.97])
def test_exact_intervals_cover_at_least_95_percent_at_every_rate(rate: float) -> None:
    total = 40
    held = [low <= rate <= high for low, high in (clopper_pearson(k, total) for k in range(total + 1))]
    assert binom.pmf(np.arange(total + 1), total, rate)[held].sum() >= 0.95


@pytest.mark.parametrize(("rate", "images"), [(0.1, 29), (0.05, 59), (0.01, 299), (0.001, 2995)])
def test_how_many_images_without_an_error_a_promise_needs(rate: float, images: int) -> None:
    assert needed(rate) == images
    assert upper_bound(0, images) <= rate < upper_bound(0, images - 1)
    assert allowed_errors(images, rate) == 0
    assert allowed_errors(images - 1, rate) == -1


@pytest.mark.parametrize("total", [60, 500, 4000, 200_000])
def test_allowed_errors_are_the_most_whose_bound_keeps_the_promise(total: int) -> None:
    count = allowed_errors(total, 0.05)
    assert upper_bound(count, total) <= 0.05 < upper_bound(count + 1, total)


def test_a_threshold_chosen_on_the_images_keeps_its_bound_on_new_ones_19_times_in_20() -> None:
    rng = np.random.default_rng(0)
    images, runs = 473, 2000  # one error allowed
    allowed = allowed_errors(images, 0.01)
    assert allowed == 1
    thresholds = [threshold_allowing(rng.random(images), allowed) for _ in range(runs)]
    broken = np.mean([1 - threshold > 0.01 for threshold in thresholds])
    assert 0.03 < broken < 0.065


def test_thresholds_stand_just_beyond_the_last_allowed_image() -> None:
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.9])
    assert threshold_allowing(scores, 0) > 0.9 > threshold_allowing(scores, 1) > 0.4
    assert (scores >= threshold_for_fpr(scores, 0.2)).sum() == 1
    assert threshold_allowing(np.array([1.0, 0.5]), 0) == 1.0
    assert (scores < threshold_missing(scores, 2)).sum() == 2


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_platt_scaling_finds_the_truth_whatever_the_outputs_scale(scale: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 20_000)
    labels = (rng.random(20_000) < 1 / (1 + np.exp(-(1.5 * logits - 1)))).astype(np.int64)
    slope, intercept = fit_platt(scale * logits, labels)
    assert slope * scale == pytest.approx(1.5, abs=0.08)
    assert intercept == pytest.approx(-1, abs=0.08)


def test_resamples_keep_each_classs_size_and_come_in_bounded_chunks() -> None:
    labels = np.r_[np.zeros(30_000, np.int64), np.ones(10_000, np.int64)]
    chunks = list(resample_counts(labels, 120, seed=3))
    assert len(chunks) > 1
    assert sum(len(chunk) for chunk in chunks) == 120
    for chunk in chunks:
        assert (chunk[:, labels == 0].sum(axis=1) == 30_000).all()
        assert (chunk[:, labels == 1].sum(axis=1) == 10_000).all()


def test_the_seed_decides_the_resamples() -> None:
    labels = np.array([0, 1, 0, 1, 1])
    first, again, other = (np.concatenate(list(resample_counts(labels, 50, seed))) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_bootstrap_intervals_cover_about_95_percent() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], 100)
    held = 0
    for run in range(300):
        right = (rng.random(200) < 0.8).astype(np.float64)
        (counts,) = resample_counts(labels, 300, seed=run)
        low, high = percentile_interval(right.mean(), counts @ right / 200)
        held += low <= 0.8 <= high
    assert 0.9 < held / 300 < 0.985


def test_an_interval_holds_its_own_estimate_and_ignores_undefined_resamples() -> None:
    assert percentile_interval(0.1, np.array([0.2, 0.3, np.nan])) == pytest.approx((0.1, 0.2975))
    assert percentile_interval(0.4, np.array([np.nan])) == (0.4, 0.4)


def test_a_threshold_for_groups_allows_for_the_groups_that_were_not_drawn() -> None:
    """One group of twenty scores high: few images are flagged in all, but the next groups may be like it."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20).astype(str), 100)
    scores = rng.uniform(0, 0.5, 2000)
    scores[groups == "7"] += 0.4
    naive = threshold_for_fpr(scores, 0.01)
    bounded = threshold_for_fpr_of_groups(scores, groups, 0.01)
    assert (scores >= naive).mean() <= 0.01
    assert bounded > naive
    assert (scores >= bounded).mean() < 0.005
    # Where all groups are alike it is hardly stricter.
    alike = rng.uniform(0, 1, 2000)
    assert threshold_for_fpr_of_groups(alike, groups, 0.01) - threshold_for_fpr(alike, 0.01) < 0.01


def test_a_threshold_for_groups_keeps_its_promise_on_new_groups() -> None:
    """On new groups the old ones' rate is exceeded every other time, the bound seldom."""
    rng = np.random.default_rng(1)
    kept, naive = 0, 0
    for _ in range(60):
        means = rng.normal(0.3, 0.1, 40)
        seen = rng.normal(np.repeat(means, 30), 0.05).clip(0, 1)
        threshold = threshold_for_fpr_of_groups(seen, np.repeat(np.arange(40), 30).astype(str), 0.05)
        fresh = rng.normal(rng.normal(0.3, 0.1, 4000), 0.05).clip(0, 1)
        kept += (fresh >= threshold).mean() <= 0.05
        naive += (fresh >= threshold_for_fpr(seen, 0.05)).mean() <= 0.05
    assert kept >= 45
    assert naive <= 36
