"""All commands in one place."""

import typer

from services.cli import (
    backfill,
    benchmark,
    benchmark_live,
    demo,
    dlq,
    doctor,
    evaluate,
    features,
    init,
    model,
    recalibrate,
    rings,
    rings_network,
    run,
    simulate,
    train,
)

app = typer.Typer(
    help="Real-time payment-fraud scoring.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
serve = typer.Typer(help="Start a REST service.", no_args_is_help=True)
dead_letters = typer.Typer(help="List, show and replay what could not be scored.", no_args_is_help=True)
models = typer.Typer(help="List, compare, promote and roll back models.", no_args_is_help=True)
fraud_rings = typer.Typer(help="Find fraud rings and draw them; train what knows them.", no_args_is_help=True)
catalogue = typer.Typer(invoke_without_command=True)
benchmarks = typer.Typer(help="Measure on this machine.", no_args_is_help=True)

for command in (
    demo.demo,
    init.init,
    simulate.simulate,
    train.train,
    evaluate.evaluate,
    recalibrate.recalibrate,
    backfill.backfill,
    run.worker,
    run.score,
    run.send,
    doctor.doctor,
):
    app.command()(command)
serve.command("score")(run.serve_score)
serve.command("explain")(run.serve_explain)
serve.command("rings")(run.serve_rings)
dead_letters.command("list")(dlq.list_)
dead_letters.command()(dlq.show)
dead_letters.command()(dlq.replay)
models.command("list")(model.list_)
models.command()(model.show)
models.command()(model.compare)
models.command()(model.promote)
models.command()(model.rollback)
fraud_rings.command()(rings.find)
fraud_rings.command("list")(rings.list_)
fraud_rings.command()(rings.show)
fraud_rings.command()(rings.quality)
fraud_rings.command()(rings_network.train)
fraud_rings.command()(rings_network.evaluate)
fraud_rings.command()(rings_network.embed)
fraud_rings.command()(rings_network.refresh)
benchmarks.command()(benchmark.features)
benchmarks.command()(benchmark.models)
benchmarks.command()(benchmark.novelty)
benchmarks.command()(benchmark_live.stream)
benchmarks.command()(benchmark_live.baseline)
benchmarks.command()(benchmark_live.rest)
benchmarks.command()(benchmark.gnn)
app.add_typer(serve, name="serve")
app.add_typer(models, name="model")
app.add_typer(dead_letters, name="dlq")
catalogue.callback()(features.features)
catalogue.command("list")(features.list_)
catalogue.command()(features.verify)
app.add_typer(catalogue, name="features")
app.add_typer(fraud_rings, name="rings")
app.add_typer(benchmarks, name="benchmark")
