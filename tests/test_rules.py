"""Rules against `torch.optim` on a plain `nn.Sequential`, and in batches; schedules; time."""

import numpy as np
import pytest
import torch
from refusals import assert_refused
from test_descent import correlated_samples

from dlnlib import Task, descent, initialization, networks, rules

OPTIMIZERS = {
    "plain": lambda parameters: torch.optim.SGD(parameters, lr=0.03),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.01, momentum=0.9),
    "Nesterov": lambda parameters: torch.optim.SGD(parameters, lr=0.01, momentum=0.9, nesterov=True),
    "weight decay": lambda parameters: torch.optim.SGD(parameters, lr=0.03, weight_decay=0.1),
    "Adam": lambda parameters: torch.optim.Adam(parameters, lr=0.01),
    "AdamW": lambda parameters: torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.1),
}
if hasattr(torch.optim, "Muon"):  # since 2.9
    OPTIMIZERS["Muon"] = lambda parameters: torch.optim.Muon(parameters, lr=0.01)
X, Y = correlated_samples(5, 3)
TASK = Task.from_samples(X, Y)


def sequential(start, make, activation=None, schedule=None, steps=200):
    layers = [torch.nn.Linear(w.shape[1], w.shape[0], bias=False, dtype=torch.float64) for w in start]
    modules = []
    for layer, w in zip(layers, start, strict=True):
        layer.weight = torch.nn.Parameter(torch.tensor(w))
        modules += [layer] if activation is None or layer is layers[-1] else [layer, activation]
    network = torch.nn.Sequential(*modules)
    optimizer = make(network.parameters())
    x, y = torch.tensor(X), torch.tensor(Y)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = schedule(step) if schedule else group["lr"]
        optimizer.zero_grad()
        (0.5 * ((network(x) - y) ** 2).sum(dim=1).mean()).backward()
        optimizer.step()
    return [layer.weight.detach().numpy() for layer in layers]


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("kind", ["linear", "tanh"])
def test_each_rule_is_that_of_torch_on_a_sequential(name, kind):
    network, activation = {
        "linear": (networks.LinearNetwork(TASK), None),
        "tanh": (networks.TanhNetwork(X, Y), torch.nn.Tanh()),
    }[kind]
    start = initialization.glorot([5, 6, 4, 3], rng=0)
    run = descent.train(network, start, rules.torch_rule(OPTIMIZERS[name]), steps=200)
    for w, expected in zip(run.weights, sequential(start, OPTIMIZERS[name], activation), strict=True):
        np.testing.assert_allclose(w, expected, rtol=0, atol=1e-12)
    assert run.loss[-1] < 0.7 * run.loss[0]
    lr = OPTIMIZERS[name]([torch.nn.Parameter(torch.ones(2, 2))]).param_groups[0]["lr"]
    np.testing.assert_array_equal(run.time, lr * run.steps)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_networks_side_by_side_are_optimised_apart(name):
    starts = [initialization.glorot([5, 6, 3], rng=seed) for seed in range(3)]
    network, rule = networks.LinearNetwork(TASK), rules.torch_rule(OPTIMIZERS[name])
    together = descent.train(network, initialization.stack(starts), rule, steps=50)
    for i, start in enumerate(starts):
        alone = descent.train(network, start, rule, steps=50)  # the same rule, begun afresh
        np.testing.assert_allclose(together.modes[i], alone.modes, rtol=0, atol=1e-12)


def test_plain_descent_is_torchs():
    start = initialization.glorot([5, 6, 4, 3], rng=0)
    run = descent.gradient_descent(TASK, start, 0.03, steps=200)
    for w, expected in zip(run.weights, sequential(start, OPTIMIZERS["plain"]), strict=True):
        np.testing.assert_allclose(w, expected, rtol=0, atol=1e-12)


def test_a_schedule_is_a_function_of_the_step():
    def schedule(step):
        return 0.05 / (1 + step / 50)

    start = initialization.glorot([5, 6, 3], rng=0)
    plain = descent.gradient_descent(TASK, start, schedule, steps=200, record_every=7)
    rule = rules.torch_rule(OPTIMIZERS["momentum"], schedule)
    momentum = descent.train(networks.LinearNetwork(TASK), start, rule, steps=200, record_every=7)
    for run, name in ((plain, "plain"), (momentum, "momentum")):
        for w, expected in zip(run.weights, sequential(start, OPTIMIZERS[name], None, schedule), strict=True):
            np.testing.assert_allclose(w, expected, rtol=0, atol=1e-12)
        np.testing.assert_allclose(run.time, [sum(map(schedule, range(n))) for n in run.steps], rtol=1e-13)
    side = descent.gradient_descent(TASK, initialization.stack([start] * 2), schedule, steps=200, record_every=7)
    np.testing.assert_allclose(side.loss[1], plain.loss, rtol=1e-12)
    assert side.time.shape == (len(side.steps),)


@pytest.mark.parametrize(
    "rule",
    [
        rules.Descent,
        lambda schedule: rules.torch_rule(lambda p: torch.optim.SGD(p, lr=1.0), schedule),
        lambda schedule: rules.torch_rule(lambda p: torch.optim.SGD([{"params": [w]} for w in p], lr=1.0), schedule),
    ],
    ids=["descent", "torch", "groups"],
)
def test_time_is_that_of_the_rates_that_were_used(rule):
    """Of a schedule that remembers, or draws: it is asked once for each step, and anew in each run."""
    rng, asked = np.random.default_rng(0), []

    def schedule(step):
        asked.append((step, rng.uniform(0, 0.2)))
        return asked[-1][1]

    start, once = initialization.glorot([5, 6, 3], rng=0), rule(schedule)
    for _ in range(2):
        asked.clear()
        run = descent.train(networks.LinearNetwork(TASK), start, once, steps=20, record_every=3)
        assert [step for step, _ in asked] == list(range(20))
        rates = [rate for _, rate in asked]
        np.testing.assert_array_equal(run.time, np.cumsum([0.0, *rates])[run.steps])
        again = descent.gradient_descent(TASK, start, rates.__getitem__, steps=20, record_every=3)
        np.testing.assert_allclose(run.modes, again.modes, rtol=1e-12)


def test_a_schedule_gives_one_number_a_step():
    network, start = networks.LinearNetwork(TASK), initialization.glorot([5, 6, 3], rng=0)
    for rule in (rules.Descent(lambda n: [0.1]), rules.torch_rule(OPTIMIZERS["momentum"], lambda n: [0.1])):
        with pytest.raises(ValueError, match=r"^learning_rate had shape \(1,\); it must be a single number$"):
            descent.train(network, start, rule, steps=1)


def test_the_heavy_ball_keeps_its_law():
    """On the plateau a layer grows by the larger root of z^2 - (1 + b + eta s) z + b."""
    s, eta, b = 1.0, 0.02, 0.8
    run = descent.train(
        networks.LinearNetwork(Task([[s]])),
        [[[1e-9]], [[1e-9]]],
        rules.torch_rule(lambda parameters: torch.optim.SGD(parameters, lr=eta, momentum=b)),
        steps=120,
    )
    z, other = np.roots([1, -(1 + b + eta * s), b])
    a = np.sqrt(run.modes[60:, 0])
    np.testing.assert_allclose(a, z * (1 - other) / (z - other) * 1e-9 * z ** run.steps[60:], rtol=1e-6)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch has Muon since 2.9")
def test_muon_keeps_its_law():
    """From an aligned start sqrt(u) grows by the rate, in every mode alike."""
    s, u0 = np.array([3.0, 2.0, 1.0]), 0.01
    options = {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
    options |= {"ns_coefficients": (1.875, -1.25, 0.375), "ns_steps": 20}  # orthogonal as nearly as bfloat16 knows
    muon = rules.torch_rule(lambda parameters: torch.optim.Muon(parameters, lr=0.01, **options))
    run = descent.train(networks.LinearNetwork(Task(np.diag(s))), [u0**0.5 * np.eye(3)] * 2, muon, steps=80)
    np.testing.assert_allclose(np.sqrt(run.modes[:, 2]), u0**0.5 + 0.01 * run.steps, rtol=0.02)
    np.testing.assert_allclose(run.modes, run.modes[:, [2]] * np.ones(3), rtol=0.02)


def test_what_is_no_rule_is_refused():
    assert_refused(
        (lambda: rules.torch_rule("Adam"), r"optimizer was 'Adam'; it must be a function"),
        (lambda: rules.torch_rule(OPTIMIZERS["Adam"], 0.1), r"schedule was 0.1; it must be a function"),
        (lambda: rules.torch_rule(OPTIMIZERS["Adam"], 0), r"schedule was 0; it must be a function"),
        (
            lambda: descent.train(
                networks.LinearNetwork(TASK), [np.ones((3, 5))], rules.torch_rule(torch.optim.LBFGS), 2
            ),
            r"optimizer returned LBFGS.*; it must return an optimiser of torch",
        ),
        (
            lambda: descent.train(networks.LinearNetwork(TASK), [np.ones((3, 5))], rules.torch_rule(list), 2),
            r"optimizer returned \[Parameter.*; it must return an optimiser of torch",
        ),
        (lambda: descent.train(networks.LinearNetwork(TASK), [np.ones((3, 5))], 0.1, 2), r"rule was 0.1; it must be"),
    )


def test_an_optimiser_gets_each_layer_of_each_network_as_a_matrix():
    seen = []

    def optimizer(parameters):
        seen.extend(w.detach().clone().numpy() for w in parameters)
        groups = [{"params": parameters[0::2], "lr": 0.0}, {"params": parameters[1::2], "lr": 0.03}]
        return torch.optim.SGD(groups)

    starts = [initialization.glorot([5, 6, 3], rng=seed) for seed in range(2)]
    run = descent.train(networks.LinearNetwork(TASK), initialization.stack(starts), rules.torch_rule(optimizer), 20)
    for found, wanted in zip(seen, [*starts[0], *starts[1]], strict=True):
        np.testing.assert_array_equal(found, wanted)
    for i in range(2):  # W_1 rests, W_2 learns
        np.testing.assert_array_equal(run.weights[0][i], starts[i][0])
        assert np.abs(run.weights[1][i] - starts[i][1]).max() > 0.01
