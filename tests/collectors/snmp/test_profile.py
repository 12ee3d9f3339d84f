"""Where a device has the objects of its profile."""

from __future__ import annotations

from collectors.snmp.profile import Join, Table, placed


def test_a_tree_of_the_products_own_is_found_by_its_number() -> None:
    own = Table(name="own", columns={"cpu": "{9}.12.7.0"}, joins={"name": Join(oid="{9}.3", at="{index}")})
    fixed = Table(name="fixed", columns={"cpu": "1.3.6.1.4.1.890.1.15.3.2.4.0"})
    found, same = placed((own, fixed), "1.3.6.1.4.1.890.1.5.8.55")
    assert found.columns == {"cpu": "1.3.6.1.4.1.890.1.5.12.7.0"}
    assert found.joins["name"].oid == "1.3.6.1.4.1.890.1.5.3"
    assert same is fixed
