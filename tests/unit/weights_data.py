"""A recorded run of the effect preset on the pocket target, to eight digits: its matrices, summaries and octaves."""

from __future__ import annotations

import json
from pathlib import Path

from unlearn_tui.protocol.result import Edit, OctaveRow, PredictionRow, RecoveryRow, Result, ScoreRow, WeightsRow
from unlearn_tui.state.matrices import Matrix, Quantized

# layer.module, shape, changed, edit_norm, then kept, cosine, same_value of bnb-fp4 and of bnb-int8
MATRICES = """\
0.self_attn.q_proj 256x256 0.1293945 0.10621472 0.14041449 0.25936396 0.97579956 1.0013297 0.97978157 0.89097595
0.self_attn.k_proj 256x256 0.1230011 0.1065983 0.12726041 0.26425609 0.97737122 1.0000872 0.97958063 0.89775085
0.self_attn.v_proj 256x256 0.1492615 0.13236462 0.27004361 0.26569409 0.96455383 1.0024035 0.98869572 0.87025452
0.self_attn.o_proj 256x256 0.1495972 0.12811661 0.2513424 0.25034668 0.96607971 0.99956479 0.98800089 0.87216187
0.mlp.gate_proj 640x256 0.1233032 0.16603958 0.11278293 0.33048051 0.9772644 0.99974706 0.97920081 0.9003418
0.mlp.up_proj 640x256 0.1240418 0.1645248 0.12079497 0.29610735 0.97744141 0.9995135 0.97920667 0.90059204
0.mlp.down_proj 256x640 0.1264526 0.16136684 0.1194467 0.26599094 0.97776489 0.99927254 0.97489414 0.90118408
1.self_attn.q_proj 256x256 0.1264343 0.11532528 0.14298424 0.22896489 0.97608948 1.0002863 0.98341658 0.89524841
1.self_attn.k_proj 256x256 0.1286011 0.11215122 0.17203768 0.25653455 0.97406006 1.0013779 0.98259436 0.89378357
1.self_attn.v_proj 256x256 0.1595001 0.12244859 0.35255862 0.27120572 0.96357727 0.99888869 0.98767187 0.86405945
1.self_attn.o_proj 256x256 0.157196 0.11873296 0.34323323 0.27410212 0.9644165 1.0021423 0.98680518 0.86625671
1.mlp.gate_proj 640x256 0.1253052 0.15467436 0.13174765 0.26280876 0.97832031 1.0009844 0.97720553 0.90055542
1.mlp.up_proj 640x256 0.1278564 0.1573233 0.1161095 0.28771858 0.97752686 1.0015591 0.97766325 0.89831543
1.mlp.down_proj 256x640 0.1289978 0.15482952 0.1295074 0.25893652 0.97770386 0.99693335 0.97365139 0.9006897
2.self_attn.q_proj 256x256 0.1196594 0.089859327 0.14431325 0.24759724 0.97987366 0.999902 0.97358229 0.91073608
2.self_attn.k_proj 256x256 0.1231537 0.094889761 0.13000707 0.2365735 0.97941589 0.99787275 0.97459398 0.90332031
2.self_attn.v_proj 256x256 0.1537018 0.11639974 0.32001379 0.26759487 0.9649353 1.0006471 0.98614996 0.87002563
2.self_attn.o_proj 256x256 0.1531982 0.10749893 0.32562135 0.26181705 0.96795654 1.0045057 0.98346048 0.8752594
2.mlp.gate_proj 640x256 0.1159424 0.12112777 0.13016696 0.35885937 0.98134155 1.0018822 0.96385692 0.91790161
2.mlp.up_proj 640x256 0.1167175 0.1259011 0.12220542 0.34110406 0.98161621 0.99881032 0.96590757 0.91611328
2.mlp.down_proj 256x640 0.1174316 0.12655392 0.12391078 0.30260299 0.98149414 1.0016936 0.96170033 0.91734619
3.self_attn.q_proj 256x256 0.1150055 0.074582914 0.12618409 0.33935193 0.98258972 1.0008124 0.96167326 0.91969299
3.self_attn.k_proj 256x256 0.1143188 0.073831845 0.15506165 0.22963634 0.98268127 1.00378 0.9630079 0.91810608
3.self_attn.v_proj 256x256 0.1472321 0.10269683 0.26413442 0.23913078 0.9717865 0.99947599 0.9828919 0.87980652
3.self_attn.o_proj 256x256 0.1445007 0.098561339 0.28243739 0.23923081 0.97183228 1.0008219 0.98245819 0.88523865
3.mlp.gate_proj 640x256 0.1056702 0.10936702 0.13490645 0.33604389 0.98342285 1.0038017 0.95670158 0.92971191
3.mlp.up_proj 640x256 0.1079651 0.11197046 0.12811529 0.37789593 0.98318481 0.99664544 0.9575214 0.92749634
3.mlp.down_proj 256x640 0.1071716 0.11179323 0.12559941 0.42291753 0.98378906 1.0047405 0.95191383 0.92904663
"""
# exponent, weights, share changed, of all matrices together
OCTAVES = """\
-24 13 1
-23 17 1
-22 27 1
-21 44 1
-20 118 1
-19 180 1
-18 394 1
-17 783 1
-16 1527 1
-15 3113 1
-14 6168 0.99983787
-13 12166 0.99950682
-12 24454 0.99950928
-11 49255 0.99906608
-10 97867 0.99791554
-9 194798 0.92204232
-8 381072 0.0054399169
-7 691111 5.7877823e-06
-6 962065 0
-5 555630 0
-4 33850 0
-3 4 0
"""
WEIGHTS = [
    WeightsRow(
        precision="bnb-int8",
        same_value=0.9034981106,
        cosine=0.9758898111,
        kept=1.000479276,
        zero_bin_p10=0.0002297228784,
        zero_bin_median=0.0002864327107,
        zero_bin_p90=0.0003517931909,
    ),
    WeightsRow(
        precision="bnb-fp4",
        same_value=0.9775042327,
        cosine=0.2438884477,
        kept=0.1726362439,
        zero_bin_p10=0.004133224487,
        zero_bin_median=0.005266189575,
        zero_bin_p90=0.006713867188,
    ),
]
EXPLANATION = (
    "Why: the edit moved 13 % of the weights: 96 % of those below 0.0039 in size, 0.08 % of the larger ones; "
    "bnb-fp4 keeps 0.17 of it (zero bin ±0.0053): the knowledge came back; "
    "bnb-int8 keeps 1.00 of it (zero bin ±0.00029): it stayed forgotten."
)


def matrices() -> list[Matrix]:
    """The rows of its weights.jsonl; octaves are those of the whole model, as many for every matrix."""
    made = []
    for text in MATRICES.splitlines():
        name, shape, *numbers = text.split()
        changed, norm, *rest = map(float, numbers)
        precisions = {
            p: Quantized(kept=k, cosine=c, same_value=s, zero_bin_median=0.0053)
            for p, (k, c, s) in zip(("bnb-fp4", "bnb-int8"), (rest[:3], rest[3:]), strict=True)
        }
        size = tuple(int(n) for n in shape.split("x"))
        made.append(Matrix(f"model.layers.{name}", size, changed, norm, 6.0, tuple(octaves()), precisions))
    return made


def octaves() -> list[OctaveRow]:
    rows = [text.split() for text in OCTAVES.splitlines()]
    return [OctaveRow(exponent=int(e), n=int(n), changed=float(c)) for e, n, c in rows]


def result(run: str = "effect", **changed: object) -> Result:
    """Its result, as far as the Weights screen reads it."""

    def verdict(precision: str, said: str) -> RecoveryRow:
        unread = dict.fromkeys(("share_full", "share", "delta", "ci_low", "ci_high", "gap_share"))
        return RecoveryRow(precision=precision, metric="knowmem_forget", verdict=said, **unread)

    values: dict[str, object] = {
        "run": run,
        "status": "finished",
        "spec": {"task": "unlearn", "weights": "bf16"},
        "weights": WEIGHTS,
        "recovery": [verdict("bnb-int8", "no"), verdict("bnb-fp4", "recovered")],
        "edit": Edit(
            changed=0.1252368429,
            octaves=octaves(),
            freeze_line_nominal=2**-9,
            freeze_line_effective=2**-8,
            unquantized_share=0.044,
        ),
        "explanation": EXPLANATION,
    }
    return Result(**values | changed)


FORETOLD = [
    PredictionRow(precision="bnb-int8", kept=1.0, says="stays"),
    PredictionRow(precision="bnb-fp4", kept=0.27, says="returns"),
]


def ablated(half: str, precision: str, value: float) -> ScoreRow:
    """KnowMem forget with one half of the edit, split at FP4's zero bin."""
    model = f"unlearned:{half}:bnb-fp4"
    rest = {"ci_low": value, "ci_high": value, "n": 46, "exact": value}
    return ScoreRow(model=model, precision=precision, metric="knowmem_forget", value=value, **rest)


def write(path: Path, rows: list[Matrix]) -> None:
    """As the engine writes a weights.jsonl."""
    import msgspec

    path.write_text("".join(json.dumps(msgspec.to_builtins(row)) + "\n" for row in rows))
