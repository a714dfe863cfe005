"""Faults put back by hand, one at a time: the fast tests that are named beside each one find it.

Each mutant replaces one piece of text in a copy of the package. It is killed if one of its tests
fails there; tests that do not start or are not found count as a survivor.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
# What pytest returns if some tests failed, and nothing else went wrong.
TESTS_FAILED = 1


class Mutant(NamedTuple):
    path: str  # below specreg_sklearn
    old: str  # what stands there exactly once
    new: str
    tests: str  # below tests, separated by spaces


SCORES = "certificates/pipelines/test_predicted_scores.py"
TIES = f"{SCORES}::test_the_rounding_of_scores_is_taken_off_the_margin"
RADIUS = "metrics/test_certified_radius.py"
HIDDEN = "certificates/networks/test_hidden_steps.py"
FRAME = "attacks/frame/test_black_box_attack.py"
MODEL = "certificates/pipelines/_model.py"
ORACLE = "attacks/questions/_oracle.py"
VERIFY = "attacks/questions/_verify.py"

PROOFS = {
    "no rounding of the scores": Mutant(
        MODEL,
        "margin = (scores - error)[every, top][:, None] - (scores + error)",
        "margin = scores[every, top][:, None] - scores",
        TIES,
    ),
    "float32 counts as float64": Mutant(
        "certificates/pipelines/_predicted_scores.py",
        "coarseness = 1.0 if unit == UNIT_ROUNDOFF else FLOAT32_ROUNDING",
        "coarseness = 1.0",
        TIES,
    ),
    "no rounding of predict itself": Mutant(
        MODEL,
        "blur = delta + own.errors(rows, delta) + 4",
        "blur = delta + 4",
        TIES,
    ),
    "rounding does not grow over the ball": Mutant(
        MODEL,
        "moving = constants + growth[:, None] + growth",
        "moving = constants",
        f"{SCORES}::test_rounding_grows_with_the_move",
    ),
    "rounding of linear models does not grow over the ball": Mutant(
        "certificates/linear/_leads.py",
        "per_unit = float(rounded * speed.sum() + rows.growth * steepest.sum())",
        "per_unit = 0.0",
        f"{SCORES}::test_rounding_grows_with_the_move",
    ),
    "softmax makes no ties": Mutant(
        "certificates/pipelines/_classifiers.py",
        "_PROBABILITY_ERROR = 16 * UNIT_ROUNDOFF",
        "_PROBABILITY_ERROR = 0.0",
        f"{SCORES}::test_probabilities_that_round_to_the_same_are_a_tie",
    ),
    "scores beyond float32": Mutant(
        "certificates/pipelines/_predicted_scores.py",
        "error[lost] = np.inf",
        "error[lost] = 0.0",
        f"{SCORES}::test_the_end_of_the_range_of_float32_is_no_margin",
    ),
    "scores of linear models beyond float32": Mutant(
        "certificates/linear/_leads.py",
        "farthest = np.where(terms < _FLOAT32_TOO_LARGE, room, 0.0)",
        "farthest = room",
        f"{SCORES}::test_the_end_of_the_range_of_float32_is_no_margin",
    ),
    "boxes of whole steps that nobody looked at are forgotten": Mutant(
        "certificates/moves/_cheapest_moves.py",
        "        np.minimum.at(self.lower, boxes.owner, boxes.bound)\n",
        "",
        "certificates/linear/test_table_spaces.py::test_many_whole_columns_are_bracketed_where_"
        "they_do_not_close",
    ),
    "a class that comes first does not win with as many votes": Mutant(
        "certificates/neighbours/_lost_votes.py",
        "return 0 if rival < self.own else 1",
        "return 1",
        "certificates/neighbours/test_votes.py::test_distances_are_those_of_the_nearest_set_of_voters",
    ),
    "kernels lie above what bounds them from above": Mutant(
        "certificates/kernels/_sums_in_balls.py",
        "np.where(weight > 0, below, above)",
        "np.where(weight > 0, above, below)",
        "certificates/kernels/test_sums_of_kernels.py::test_lower_bounds_are_below_every_ray_and_"
        "near_the_nearest",
    ),
    "a ball of L1 is lowest at half of what its corners give": Mutant(
        "certificates/moves/_minimum_in_l1.py",
        "np.hstack([falling, falling]) * (r * r)",
        "0.5 * np.hstack([falling, falling]) * (r * r)",
        "certificates/moves/test_ball_minimum.py::test_concave_functions_are_lowest_at_corners",
    ),
    "derivatives of high orders reach half as far": Mutant(
        "certificates/kernels/_taylor_sums.py",
        "lost = 0.5 * length ** (k - 2)",
        "lost = 0.25 * length ** (k - 2)",
        "certificates/kernels/test_taylor_sums.py::test_no_move_is_below_the_quadratic_function",
    ),
    "what lies beyond the last order is nothing": Mutant(
        "certificates/kernels/_taylor_sums.py",
        "float(self.terms[0].sum()) - self.tail(reach)",
        "float(self.terms[0].sum())",
        "certificates/kernels/test_taylor_sums.py::test_no_move_is_below_the_quadratic_function",
    ),
    "multipliers of boxes reach half as far": Mutant(
        "certificates/moves/_ball_minimum.py",
        "fixed = (d * self.low * self.high).sum(axis=1)",
        "fixed = (0.5 * d * self.low * self.high).sum(axis=1)",
        "certificates/moves/test_ball_minimum.py::test_bounds_in_boxes_are_those_of_an_optimiser",
    ),
    "trees reach their leaves at twice the distance": Mutant(
        "certificates/trees/_score_ranges.py",
        "met = self._distance * _BEFORE <=",
        "met = 2 * self._distance <=",
        "certificates/composed/test_members.py::test_the_range_of_one_tree_is_that_of_its_leaves_in_"
        "reach",
    ),
    "libsvm couples shares without an error": Mutant(
        "certificates/composed/_ranges.py",
        "_PLATT_BLUR = 0.005 + 1e-6",
        "_PLATT_BLUR = 0.0",
        "certificates/composed/test_members.py::test_shares_and_labels_stay_in_their_ranges",
    ),
    "no gap at columns that jump": Mutant(
        "certificates/quadratic/_separable.py",
        "self.bound[some] = np.maximum(self.bound[some], dual)",
        "self.bound[some] = np.maximum(self.bound[some], most)",
        "certificates/quadratic/test_columns_alone.py::test_whole_numbers_against_every_row_there_is",
    ),
    "multipliers of a norm that is too long": Mutant(
        "certificates/quadratic/_multipliers.py",
        "self.base = np.eye(n) if",
        "self.base = 2 * np.eye(n) if",
        "certificates/quadratic/test_columns_together.py::test_multipliers_bound_random_forms_"
        "from_below",
    ),
    "moves cost their length, whatever their price": Mutant(
        "certificates/moves/_model_rows.py",
        "dearer=rows.dearer(norm)",
        "dearer=None",
        "certificates/linear/test_table_spaces.py::test_whole_numbers_against_every_row_there_is",
    ),
    "moves beyond float32": Mutant(
        MODEL,
        "return np.minimum(radii, seen.farthest)",
        "return radii",
        f"{SCORES}::test_no_radius_leaves_the_range_of_float32",
    ),
    "PCA centres before it projects": Mutant(
        "certificates/pipelines/_transformers.py",
        "        project,\n"
        "        Affine(np.ones(len(centre[0])), -centre[0], bias_error=error[0]),\n",
        "        shift(step.mean_),\n        project,\n",
        f"{SCORES}::test_pca_projects_before_it_centres",
    ),
    "another class by predict is no tie": Mutant(
        MODEL,
        "nearest[self.classes[top] != predicted] = 0.0",
        "pass",
        f"{SCORES}::test_where_predict_says_otherwise_nothing_is_proved",
    ),
    "the norm for its dual": Mutant(
        MODEL,
        "size[j] = norm.dual.length(weight - weight[j])",
        "size[j] = norm.length(weight - weight[j])",
        "certificates/test_linear_models.py::test_constants_are_the_closed_form",
    ),
    "the other end of the box": Mutant(
        "certificates/relaxations/_boxed_balls.py",
        "far = np.where(slopes > 0, down[part, None], up[part, None])",
        "far = np.where(slopes > 0, up[part, None], down[part, None])",
        "certificates/relaxations/test_boxed_balls.py::test_falls_are_those_of_a_solver_or_hardly_larger",
    ),
    "the other end of the box in Linf": Mutant(
        "certificates/relaxations/_boxed_balls.py",
        "above @ down[..., None] + below @ up[..., None]",
        "above @ up[..., None] + below @ down[..., None]",
        "certificates/relaxations/test_boxed_balls.py::test_falls_are_those_of_a_solver_or_hardly_larger",
    ),
    "a part of a box counts as the whole": Mutant(
        "certificates/gradients/_room.py",
        "np.maximum(-room.low, room.high)) * (1 + 1e-12)",
        "np.maximum(-room.low, room.high)) * 0.3",
        "certificates/relaxations/test_boxed_balls.py",
    ),
    "nodes are proved before they are": Mutant(
        "certificates/relaxations/_branches.py",
        "_ALL = 1 - 2.0**-35",
        "_ALL = 0.8",
        "certificates/relaxations/test_boxed_balls.py",
    ),
    "rows behind a boundary are not asked about": Mutant(
        "certificates/moves/_rows_across.py",
        "other = ~same_labels(ask(predict, rows.build(held, some), len(some)), labels[some])",
        "other = np.ones(len(some), dtype=bool)",
        "certificates/moves/test_rows_across.py",
    ),
    "rows that stand where rounding decides": Mutant(
        "certificates/moves/_rows_across.py",
        "        if len(by_rounding):",
        "        if False:",
        "certificates/moves/test_rows_across.py",
    ),
    "lines below a curve without their slack": Mutant(
        "certificates/relaxations/_curves.py",
        "peak = np.where(inside, between, np.maximum(ahead, behind)).max(axis=3)",
        "peak = np.maximum(ahead, behind).max(axis=3)",
        "certificates/relaxations/test_curves.py::test_a_curve_lies_between_its_lines",
    ),
    "pairs of outputs without the root of two": Mutant(
        "certificates/bounds/_certified_map.py",
        "distances = above(np.sqrt(2.0) * (1.0 - np.eye(self.n_outputs)), 1)",
        "distances = 1.0 - np.eye(self.n_outputs)",
        "certificates/stages/test_stages.py::test_map_that_ends_in_an_activation",
    ),
    "the larger of two paths": Mutant(
        "certificates/stages/_joins.py",
        "above(sum(c * abs(sign) * math.sqrt(times) for c, sign, times in parts), 8)",
        "above(max(c * abs(sign) * math.sqrt(times) for c, sign, times in parts), 8)",
        "certificates/stages/test_joins.py",
    ),
    "the largest of what stands side by side": Mutant(
        "certificates/stages/_joins.py",
        "math.hypot(*constants)",
        "max(constants)",
        "certificates/stages/test_joins.py",
    ),
    "branches that share columns": Mutant(
        "certificates/stages/_parallel.py",
        "if most <= 1:",
        "if most <= 2:",
        "certificates/pipelines/test_certified_pipelines.py",
    ),
    "units of columns": Mutant(
        MODEL,
        "rows.columns, rows.scale, n_moving",
        "rows.columns, np.ones_like(rows.scale), n_moving",
        f"{RADIUS}::test_units_of_networks",
    ),
    "frames in any order": Mutant(
        "tables/_fitted_names.py",
        'return [*_Walk().into(estimator, "")]',
        "return []",
        "certificates/pipelines/test_frames_in_another_order.py",
    ),
    "a column that a network reads through a binning as well": Mutant(
        MODEL,
        "still.check_moves(moves)",
        "pass",
        "certificates/pipelines/test_still_parts.py",
    ),
    "slopes of secants from the nearer end": Mutant(
        "certificates/rising_steps/_secants.py",
        "(far[:, 1:] / length[:, :-1]).max(axis=1)",
        "(far[:, 1:] / length[:, 1:]).min(axis=1)",
        "certificates/rising_steps/test_rising_steps.py",
    ),
    "a column behind the steps twice": Mutant(
        "certificates/rising_steps/_around_rows.py",
        "max(most, 1) ** (1 / norm)",
        "1.0",
        "certificates/rising_steps/test_rising_steps.py::test_a_column_twice_is_charged_once",
    ),
    "a proof beyond its radius": Mutant(
        "certificates/rising_steps/_radii.py",
        "np.minimum(covered, radius))",
        "covered)",
        "certificates/rising_steps/test_rising_steps.py",
    ),
    "logarithms below zero": Mutant(
        "certificates/trees/_cell_grid.py",
        "            grid.ends = (kept, grid.ends[1]) if side == 0 else (grid.ends[0], kept)\n",
        "",
        "certificates/trees/test_pipelines.py",
    ),
    "columns of a ColumnTransformer as listed": Mutant(
        "certificates/pipelines/_composites.py",
        "sorted(parts, key=lambda part: part.made.start)",
        "sorted(parts, key=lambda part: -part.made.start)",
        "certificates/pipelines/test_certified_pipelines.py",
    ),
    "steps in place": Mutant(
        "certificates/networks/_tracing.py",
        "    check_in_place(graph, root)\n",
        "",
        f"{HIDDEN}::test_the_refusal_names_the_step_and_the_remedy",
    ),
    "forward hooks": Mutant(
        "certificates/networks/_module_checks.py",
        "        for hook in part._forward_hooks.values():\n"
        '            raise _refusal(subject, "forward hook", hook)\n',
        "",
        f"{HIDDEN}::test_hooks_are_refused_by_name",
    ),
    "rows of the user in front of a linear model": Mutant(
        "certificates/pipelines/_steps_in_front.py",
        "function.compare(cells[:: max(1, len(cells) // _N_COMPARED)])",
        "pass",
        "certificates/networks/test_rows_that_reach_a_network.py",
    ),
    "rows of the user": Mutant(
        MODEL,
        "self.scores.compare(some)",
        "pass",
        "certificates/networks/test_rows_that_reach_a_network.py",
    ),
    "what stands outside of backbone and head": Mutant(
        "estimators/_encoder.py",
        "check_only_backbone_and_head(self, SpectrallyRegularizedEncoder, role)",
        "pass",
        "estimators/test_outside_backbone_and_head.py",
    ),
    "windows of a max pool that overlap": Mutant(
        "certificates/networks/_pooling_rules.py",
        "multiplicities.append(int(np.bincount(inside).max()))",
        "multiplicities.append(1)",
        "certificates/networks/test_layers.py::test_max_pools_attain_their_constant",
    ),
    "gains of a batch norm": Mutant(
        "spectral/layers/_batch_norm.py",
        "return factors if norm.weight is None else norm.weight * factors",
        "return factors",
        "spectral/layers/test_batch_norm.py certificates/test_batch_norm_scale.py",
    ),
    "compiled loops close other leaves": Mutant(
        "certificates/trees/search/_look_loops.py",
        "smallest[c] = min(smallest[c], entry_first[e])",
        "smallest[c] = max(smallest[c], entry_first[e])",
        "certificates/trees/test_compiled.py",
    ),
    "whole rows side by side count as one": Mutant(
        "tables/_column_numbers.py",
        "self._join(float(len(block) * beside), mean, squares)",
        "self._join(float(len(block)), mean, squares)",
        "tables/test_column_numbers.py",
    ),
}

ATTACKS = {
    "one query too few is counted": Mutant(
        ORACLE,
        "self.n_queries += np.bincount(owner, minlength=len(self.n_queries))",
        "self.n_queries += np.bincount(owner, minlength=len(self.n_queries)) > 0",
        f"{FRAME}::test_query_counts_are_exact",
    ),
    "budgets have no end": Mutant(
        ORACLE,
        "if not len(owner) or self.limit - self.n_queries.max() >= len(owner):",
        "if True:",
        f"{FRAME}::test_no_row_exceeds_its_budget attacks/test_square.py",
    ),
    "a limit for all rows together": Mutant(
        ORACLE,
        "return np.flatnonzero(rank_within((owner,)) < self.left(owner))",
        "return np.flatnonzero(rank_within((owner,)) <= self.left(owner))",
        "attacks/questions/test_oracle.py",
    ),
    "the farthest hit is kept": Mutant(
        ORACLE,
        "hits = np.flatnonzero(fooled & (distance < _GAIN * self.best_distance[owner]))",
        "hits = np.flatnonzero(fooled)",
        "attacks/questions/test_oracle.py",
    ),
    "any other label is the target": Mutant(
        ORACLE,
        "return labels == wanted if self.targeted else labels != wanted",
        "return labels != wanted",
        "attacks/test_cgba.py::test_targets_are_reached",
    ),
    "no parts of the moves to data": Mutant(
        "attacks/boundary/_partial_starts.py",
        "_N_CUT = 6",
        "_N_CUT = 0",
        "attacks/boundary/test_partial_starts.py::test_a_basin_without_data_is_found",
    ),
    "a smallest step is none": Mutant(
        "space/_clean_rows.py",
        "return length if length.all() else self._kept(length, raw - self.raw[owner], norm)",
        "return length",
        "metrics/test_certify_auto.py::test_rows_on_a_threshold_at_zero_do_not_withstand",
    ),
    "walks on thresholds go on": Mutant(
        "attacks/_cgba.py",
        "gained[gained] = is_oblique(task, sloping[gained], _MOST_TESTS + turn)",
        "pass",
        "attacks/test_cgba.py::test_walks_that_gain_on_thresholds_go_back_to_boxes",
    ),
    "half of the votes decide": Mutant(
        ORACLE,
        "return 2 * self._n_fooled(raw, owner, copy) > self.n_repeats",
        "return 2 * self._n_fooled(raw, owner, copy) > 0",
        "attacks/questions/test_oracle.py",
    ),
    "the array is not asked as a whole": Mutant(
        VERIFY,
        "holds = (self.yes / self.n_answers if self.noisy else share) >= _CLEAR",
        "holds = np.ones(len(share), dtype=bool)",
        f"{FRAME}::test_points_that_flip_in_a_large_array_are_pushed_out",
    ),
    "a row is asked about where single precision rounds": Mutant(
        VERIFY,
        "np.fmin(_ROUNDINGS * unit * np.fmax(longer, 1.0), _LARGEST_REACH)",
        "np.zeros(len(x))",
        "attacks/questions/test_unit_roundoff.py",
    ),
    "thresholds between two whole numbers fall together": Mutant(
        "certificates/trees/_pulled_back.py",
        "apart[some] += place / np.bincount(group)[group]",
        "pass",
        "certificates/trees/test_pipelines.py",
    ),
    "gaps are taken for another number than that of the imputer": Mutant(
        "certificates/distances/_gaps.py",
        "np.where(gaps[places], values, cells[places])",
        "np.where(gaps[places], values + 0.1, cells[places])",
        "certificates/distances/test_gaps.py",
    ),
    "cells that are missing move": Mutant(
        "certificates/distances/_gaps.py",
        "patterns = np.column_stack([rows.missing, doubtful])",
        "patterns = np.column_stack([np.zeros_like(rows.missing), doubtful])",
        "certificates/distances/test_gaps.py",
    ),
    "rows are not asked in blocks": Mutant(
        VERIFY,
        "self.in_block[pending] = share >= _CLEAR",
        "self.in_block[pending] = True",
        f"{FRAME}::test_points_that_flip_in_blocks_are_pushed_out",
    ),
    "no room before eps": Mutant(
        "attacks/frame/_run.py",
        "_STOP_MARGIN = 2e-3",
        "_STOP_MARGIN = 0.0",
        "attacks/frame/test_stop_margin.py",
    ),
    "wrong rows have no distance": Mutant(
        "attacks/frame/_report.py",
        "known = np.ones(len(raw), dtype=bool)",
        "known = np.zeros(len(raw), dtype=bool)",
        f"{FRAME}::test_every_status_field_on_a_line",
    ),
    "whole numbers are cut off": Mutant(
        "space/_row_boxes.py",
        "raw[..., self._integer] = np.rint(raw[..., self._integer])",
        "raw[..., self._integer] = np.trunc(raw[..., self._integer])",
        "space/test_feature_space.py",
    ),
    "whole numbers are not rounded": Mutant(
        "space/_row_boxes.py",
        "raw[..., self._integer] = np.rint(raw[..., self._integer])",
        "pass",
        "space/test_feature_space.py",
    ),
    "the upper end of the box": Mutant(
        "space/_row_boxes.py",
        "        return np.minimum(raw, hi, out=raw)\n",
        "        return raw\n",
        "space/test_feature_space.py",
    ),
    "cells that may not move": Mutant(
        "space/_from_data.py",
        "    return mutable & room\n",
        "    return room\n",
        "space/test_feature_space.py attacks/frame/test_tables.py",
    ),
    "units of distances": Mutant(
        "space/_clean_rows.py",
        "                steps /= self.scale\n",
        "                pass\n",
        "space/test_feature_space.py",
    ),
    "labels compared in float64": Mutant(
        "tables/_labels.py",
        "        if self._wide and not _comparable(labels, self._sorted):\n"
        "            return self.encode(labels) == self.encode(wanted)\n",
        "",
        "tables/test_same_labels.py::test_answers_are_compared_with_the_wanted_label_exactly",
    ),
    "draws that do not depend on the seed": Mutant(
        "attacks/questions/_random.py",
        "np.random.SeedSequence((seed, iteration, _SEARCH_STREAM))",
        "np.random.SeedSequence((0, iteration, _SEARCH_STREAM))",
        FRAME,
    ),
}

TRAINING = {
    "norms for their squares": Mutant(
        "penalties/_spectral.py",
        "value += exact**2",
        "value += exact",
        "penalties/test_spectral_penalties.py",
    ),
    "the readout is left out": Mutant(
        "penalties/_spectral.py",
        "    _covers_head = True\n",
        "",
        "penalties/test_spectral_penalties.py",
    ),
    "half the weight decay": Mutant(
        "penalties/_l2.py",
        "alpha=2 * strength * factor",
        "alpha=strength * factor",
        "penalties/test_l2_penalty.py",
    ),
    "orthogonal to zero": Mutant(
        "penalties/_orthogonal.py",
        "return (gram - identity).square().sum()",
        "return gram.square().sum()",
        "penalties/test_orthogonal.py",
    ),
    "a handicap with the wrong sign": Mutant(
        "objectives/_lipschitz_margin.py",
        "logits + self.epsilon * self.slopes()[y]",
        "logits - self.epsilon * self.slopes()[y]",
        "objectives/test_lipschitz_margin.py",
    ),
    "descent for ascent": Mutant(
        "objectives/perturbations/_gradient_ascent.py",
        "rows + step * self._shape.steepest(gradients)",
        "rows - step * self._shape.steepest(gradients)",
        "objectives/test_adversarial.py",
    ),
    "rows beyond the ball": Mutant(
        "objectives/perturbations/_balls.py",
        "excess = (row_norms(moves, 2) / radius).clamp_min(1)",
        "excess = (row_norms(moves, 2) / (2 * radius)).clamp_min(1)",
        "objectives/perturbations/test_balls.py",
    ),
    "divergence the other way round": Mutant(
        "objectives/perturbations/_gradient_ascent.py",
        "kl_div(log_q, log_p, ",
        "kl_div(log_p, log_q, ",
        "objectives/perturbations/test_divergences.py",
    ),
    "the bound of the first network for all": Mutant(
        "training/_held_out_rows.py",
        "if self._read is not network:",
        "if self._read is None:",
        "training/test_strength_scale.py",
    ),
    "losses at no temperature": Mutant(
        "training/_held_out_rows.py",
        "        return _losses(math.exp(found.x) * margins)",
        "        return _losses(peak * margins)",
        "training/test_strength_scale.py",
    ),
    "any loss for a certificate": Mutant(
        "training/_strength_scale.py",
        "if is_saturated or is_worse or",
        "if is_saturated or",
        "training/test_strength_scale.py",
    ),
}

METRICS = {
    "undecided rows leave the mean": Mutant(
        "metrics/measurement/_shares.py",
        "beyond = (distances[None, :] > grid[:, None]) | ~np.isfinite(distances)",
        "beyond = (distances[None, :] > grid[:, None]) & np.isfinite(distances)",
        "metrics/measurement/test_measurement.py metrics/test_robust_accuracy.py",
    ),
    "a row at eps withstands": Mutant(
        "metrics/measurement/_shares.py",
        "beyond = (distances[None, :] > grid[:, None])",
        "beyond = (distances[None, :] >= grid[:, None])",
        "metrics/measurement/test_measurement.py",
    ),
    "wrong rows are certified": Mutant(
        "metrics/measurement/_shares.py",
        "kept = np.where(grid[:, None] > 0, radii > grid[:, None], True) & right",
        "kept = np.where(grid[:, None] > 0, radii > grid[:, None], True)",
        "metrics/test_certified_scorers.py",
    ),
    "wrong rows are spared": Mutant(
        "metrics/measurement/_attacked_rows.py",
        "distances=np.where(right, np.inf, 0.0),",
        "distances=np.full(len(right), np.inf),",
        "metrics/test_certify_auto.py",
    ),
}

MUTANTS = PROOFS | ATTACKS | TRAINING | METRICS


@pytest.fixture(scope="module")
def copy_of_the_package(tmp_path_factory):
    """A folder with package and tests, where mutants do no harm."""
    home = tmp_path_factory.mktemp("mutants")
    without = shutil.ignore_patterns("__pycache__", "*.png")
    for folder in ("specreg_sklearn", "tests"):
        shutil.copytree(ROOT / folder, home / folder, ignore=without)
    shutil.copy(ROOT / "pyproject.toml", home)
    return home


def run_tests(home, tests):
    """Run tests of the copy on the package beside them."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    environment = {key: value for key, value in os.environ.items() if key != "SPECREG_DATA"}
    # Modules that were compiled within one second are told apart by their size alone.
    environment |= {"PYTHONPATH": str(home), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *(str(Path("tests", test)) for test in tests)],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def test_the_texts_of_all_mutants_are_there():
    renew = []
    for name, mutant in MUTANTS.items():
        found = (ROOT / "specreg_sklearn" / mutant.path).read_text().count(mutant.old)
        if found != 1:
            renew.append(f"{name!r}: {mutant.path} has its text {found} times")
        for test in mutant.tests.split():
            path, _, function = test.partition("::")
            file = ROOT / "tests" / path
            if not file.exists() or f"def {function or 'test_'}" not in file.read_text():
                renew.append(f"{name!r}: there is no test {test}")
    assert not renew, "renew mutants: " + "; ".join(renew)


@pytest.mark.slow
def test_without_a_mutant_their_tests_pass(copy_of_the_package):
    tests = {test for mutant in MUTANTS.values() for test in mutant.tests.split()}
    run = run_tests(copy_of_the_package, sorted(tests))
    assert run.returncode == 0, run.stdout[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_killed(name, copy_of_the_package):
    mutant = MUTANTS[name]
    path = copy_of_the_package / "specreg_sklearn" / mutant.path
    text = path.read_text()
    assert text.count(mutant.old) == 1, f"renew the mutant {name!r}: its text is not in {path.name}"
    path.write_text(text.replace(mutant.old, mutant.new))
    try:
        run = run_tests(copy_of_the_package, mutant.tests.split())
    finally:
        path.write_text(text)
    assert run.returncode == TESTS_FAILED, f"{name!r} survives:\n{run.stdout[-3000:]}"
