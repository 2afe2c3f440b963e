"""How the benchmarks print a figure."""


def show(what: str, figure: float, unit: str, budget: float | None = None) -> None:
    """Print a line: what was measured, the figure, and whether it keeps its budget."""
    verdict = "" if budget is None else f"   budget {budget:g}: {'kept' if figure <= budget else 'EXCEEDED'}"
    print(f"{what:38} {figure:7.2f} {unit}{verdict}", flush=True)
