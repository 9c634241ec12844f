"""The small net beside a tower's linear head, on features that are drawn here."""

from __future__ import annotations

import numpy as np
import pytest

from fauxto.train.tower.heads import Consistency, leave_out
from fauxto.train.tower.hidden import Settings, fit_hidden, hidden_left_out, joined

PICTURES, WIDTH = 600, 400
SETTINGS = Settings(units=32, seed=0, steady=1, consistency=0.0)


def drawn(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features that all hold two traits; the label is whether the traits agree, which no line tells."""
    rng = np.random.default_rng(seed)
    traits = rng.choice([-1.0, 1.0], (PICTURES, 2))
    spread = np.random.default_rng(100).normal(0, 1, (2, WIDTH))
    features = traits @ spread + rng.normal(0, 0.5, (PICTURES, WIDTH))
    return features.astype(np.float32), (traits[:, 0] == traits[:, 1]).astype(np.int64)


def other_view(features: np.ndarray) -> np.ndarray:
    """The same as another program might leave it: much the same change in every picture."""
    change = np.random.default_rng(101).normal(0, 1, WIDTH)
    noise = np.random.default_rng(9).normal(0, 0.1, features.shape)
    return (features + change + noise).astype(np.float32)


def even(labels: np.ndarray) -> np.ndarray:
    return np.full(len(labels), 1 / len(labels), np.float32)


def right(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(((logits > 0) == (labels == 1)).mean())


def test_it_tells_what_no_line_tells() -> None:
    features, labels = drawn()
    noisy = features + np.random.default_rng(2).normal(0, 0.1, features.shape).astype(np.float32)
    net = fit_hidden([features, noisy], labels, even(labels), SETTINGS)
    unseen, theirs = drawn(1)
    groups = np.array([f"{row % 4}" for row in range(PICTURES)])
    line = leave_out([features, noisy], labels, even(labels), groups, l2=0.01)
    assert right(line.whole.logits(unseen), theirs) < 0.6
    assert right(net.logits(unseen), theirs) > 0.75


def test_a_net_never_saw_the_groups_that_it_leaves_out() -> None:
    features, labels = drawn()
    groups = np.array([f"{row % 20:02d}" for row in range(PICTURES)])
    out = np.isin(groups, ["00", "10"])  # a tenth: every tenth of the sorted names
    turned = np.where(out, 1 - labels, labels)
    first, second = (
        hidden_left_out([features, features], seen, even(labels), groups, SETTINGS)
        for seen in (labels, turned)
    )
    assert np.array_equal(first.logits(features, groups)[out], second.logits(features, groups)[out])
    assert not np.array_equal(first.logits(features, groups)[~out], second.logits(features, groups)[~out])
    assert not np.array_equal(first.whole.logits(features), second.whole.logits(features))


def test_what_has_no_group_is_always_learnt_from() -> None:
    features, labels = drawn()
    groups = np.array([f"{row % 20:02d}" if row % 2 else "" for row in range(PICTURES)])
    none = groups == ""
    turned = np.where(none, 1 - labels, labels)
    first, second = (
        hidden_left_out([features, features], seen, even(labels), groups, SETTINGS)
        for seen in (labels, turned)
    )
    for name, net in first.without.items():
        assert not np.array_equal(net.logits(features), second.without[name].logits(features))
    assert name and np.isnan(first.logits(features, groups)[none]).all()


def test_consistency_keeps_the_logit_of_another_view() -> None:
    features, labels = drawn()
    views = [features, other_view(features)]
    changes = []
    for consistency in (0.0, 5.0):
        net = fit_hidden(views, labels, even(labels), Settings(32, 0, 1, consistency))
        one, other = (net.logits(view) for view in views)
        changes.append(np.abs(one - other).mean() / one.std())
    assert changes[1] < 0.7 * changes[0]


def test_joined_logits_add_up_on_one_scale() -> None:
    features, labels = drawn()
    groups = np.array([f"{row % 4}" for row in range(PICTURES)])
    weights = even(labels)
    linear = leave_out(
        [features], labels, weights, groups, l2=0.1, consistency=Consistency([(features, features)], 0.1)
    )
    nets = hidden_left_out([features, features], labels, weights, groups, SETTINGS)
    both = joined(linear, nets, features, groups, np.ones(PICTURES, dtype=bool))
    line, net = linear.logits(features, groups), nets.logits(features, groups)
    assert both.logits(features, groups) == pytest.approx(line + net * line.std() / net.std(), abs=1e-4)


def test_pictures_without_a_group_have_no_part_in_the_scale() -> None:
    features, labels = drawn()
    groups = np.array([f"{row % 4}" if row % 2 else "" for row in range(PICTURES)])
    linear = leave_out([features], labels, even(labels), groups, l2=0.1)
    nets = hidden_left_out([features, features], labels, even(labels), groups, SETTINGS)
    both = joined(linear, nets, features, groups, np.ones(PICTURES, dtype=bool))
    assert np.isfinite(both.whole.logits(features)).all()
