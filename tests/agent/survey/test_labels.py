"""Labels of a crowded map: none covers another or a spot, all lie within the frame."""

import random

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from agent.survey.labels import Label, choose, overlap, place

FRAME = (0.0, 0.0, 1000.0, 600.0)


def test_boxes_share_what_lies_in_both() -> None:
    assert overlap((0, 0, 10, 10), (5, 5, 20, 20)) == 25
    assert overlap((0, 0, 10, 10), (10, 0, 20, 10)) == 0


def test_above_is_first_and_what_is_taken_is_left_alone() -> None:
    (left, low, right, high), ring = choose((500, 300), (100, 30), [], FRAME, 10)
    assert (ring, (left + right) / 2, low, high) == (0, 500, 310, 340)
    below, ring = choose((500, 300), (100, 30), [(450, 305, 550, 345)], FRAME, 10)
    assert (ring, below[3]) == (0, 290)


def test_at_the_edge_a_label_is_pushed_inwards() -> None:
    box, _ = choose((995, 300), (100, 30), [], FRAME, 10)
    assert box[2] == 1000


def test_where_nothing_is_free_the_least_is_covered() -> None:
    whole = [(0.0, 0.0, 1000.0, 600.0)]
    box, _ = choose((500, 300), (100, 30), whole, FRAME, 10)
    assert overlap(box, whole[0]) == pytest.approx(3000)


@pytest.mark.parametrize("seed", range(5))
def test_twenty_spots_are_labelled_without_a_label_upon_another(seed: int) -> None:
    """As they are drawn: the boxes are measured in the finished picture."""
    figure = Figure(figsize=(11, 7.6), dpi=110)
    canvas = FigureCanvasAgg(figure)
    axis = figure.subplots()
    axis.set_xlim(0, 1000)
    axis.set_ylim(640, 0)
    chance = random.Random(seed)
    labels = [
        Label(
            f"Phòng {number}\n-{50 + number} dBm",
            60 + 220 * (number % 5) + chance.uniform(-25, 25),
            90 + 150 * (number // 5),
            "#333",
        )
        for number in range(20)
    ]
    place(canvas.get_renderer(), axis, labels, 10.5)  # type: ignore[no-untyped-call]
    canvas.draw()  # type: ignore[no-untyped-call]
    boxes = [patch.get_window_extent() for text in axis.texts if (patch := text.get_bbox_patch())]
    extents = [(box.x0, box.y0, box.x1, box.y1) for box in boxes]
    assert len(boxes) == 20
    frame = axis.get_window_extent()
    for number, box in enumerate(boxes):
        assert frame.x0 - 2 <= box.x0
        assert box.x1 <= frame.x1 + 2
        shared = [overlap(extents[number], other) for other in extents[number + 1 :]]
        assert max(shared, default=0) < 4, (labels[number], shared)
