from pathlib import Path

import pytest

from opsjobs import system
from opsjobs.declaration import parse
from opsjobs.demo import simulation
from opsjobs.demo.simulation import Simulation
from opsjobs.errors import ConfigError
from tests.unit.demo.samples import SHOP

DAY = "; did you mean 'day'?"


def faults(text):
    with pytest.raises(ConfigError) as caught:
        parse(text, Simulation, context=simulation.names, name="shop.yml")
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize("name", simulation.shipped())
def test_a_simulation_has_every_metric_of_its_profile_with_the_same_type_and_component(name):
    profile, simulated = system.read(name, Path()), simulation.read(name)
    declared = {metric: (spec.type, spec.component) for metric, spec in profile.metrics.items()}
    assert declared == {
        metric: (type(spec).__name__.lower(), target.component) for metric, target, spec in simulated.metrics
    }


@pytest.mark.parametrize("name", simulation.shipped())
def test_a_simulation_has_every_component_of_its_profile(name):
    targets = simulation.read(name).targets.values()
    assert {target.component for target in targets} == set(system.read(name, Path()).components)


def test_every_fault_of_a_simulation_is_told_at_once_with_its_line_and_path():
    text = SHOP.replace("rhythm: day,", "rhythm: dya,").replace("level: 5.5", "lvel: 5.5")
    text = (
        text.replace("share: 0.1", "share: 1.1")
        .replace("[0.1, 1, 10]", "[1, 0.1, 10]")
        .replace("alive: db_up", "alive: dbup")
    )
    assert faults(text) == [
        "shop.yml:12: targets.shop.counters.orders_total.rhythm: 'dya' is not declared under rhythms" + DAY,
        "shop.yml:18: targets.shop.counters.failed_total.share: Input should be less than or equal to 1",
        "shop.yml:29: targets.shop.histograms.request_seconds.buckets: buckets go upwards, each bound once",
        "shop.yml:39: targets.database.gauges.db_size.level: this key is missing",
        "shop.yml:39: targets.database.gauges.db_size.lvel: unknown key",
    ]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("alive: db_up", "alive: dbup", "alive: 'dbup' is not among the gauges; did you mean 'db_up'?"),
        ("share: 1}", "share: 1, level: 2}", "give either level, or of and share"),
        ("share: 1}", "level: 2}", "give either level, or of and share"),
        (", level: 3, per: hour, events: true", ", of: euros, share: 0.1, events: true", "events need a level"),
        ("of: request_seconds, share: 1}", "of: db_size, share: 1}", "is no counter or histogram of this target"),
        ("of: request_seconds, share: 1}", "of: failed_total, share: 1}", "of this target with its own level"),
        ("db_size:", "customers:", "the metric 'customers' stands twice"),
    ],
)
def test_what_does_not_fit_together_is_a_fault(old, new, fault):
    assert old in SHOP
    (told,) = faults(SHOP.replace(old, new))
    assert fault in told


def test_an_unknown_system_has_no_simulation():
    with pytest.raises(ConfigError, match=r"there is no simulation of 'pratikoia'; did you mean 'pratikoai'\?"):
        simulation.read("pratikoia")
