"""What a run ends with: a self-contained HTML report, a model card, a table; and what training shows meanwhile."""

from counterpoint.report.card import model_card
from counterpoint.report.content import (
    Command,
    Content,
    Data,
    Difference,
    Figure,
    Group,
    Hit,
    Map,
    Model,
    Projection,
    Query,
    QueryList,
    Scores,
    System,
    project_2d,
)
from counterpoint.report.live import TrainingView
from counterpoint.report.page import report_html, write_report
from counterpoint.report.terminal import print_figures, terminal_table

__all__ = [
    "Command",
    "Content",
    "Data",
    "Difference",
    "Figure",
    "Group",
    "Hit",
    "Map",
    "Model",
    "Projection",
    "Query",
    "QueryList",
    "Scores",
    "System",
    "TrainingView",
    "model_card",
    "print_figures",
    "project_2d",
    "report_html",
    "terminal_table",
    "write_report",
]
