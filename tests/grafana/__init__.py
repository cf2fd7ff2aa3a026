"""A double of the Grafana HTTP API, from version 6 to 13, on a real server on loopback.

    with serving("9.4.0") as server:
        server.double.add_folder("Platform", uid="platform")
        server.double.add_dashboard(title="Overview", uid="overview", folder="platform")
        server.double.faults.fail(500, uid="overview")
        ...  # a client at server.url with TOKEN, or with the user and the password of ADMIN
        assert server.double.writes == []

What it answers was taken down from real servers: `recorded-6.5.1.json` and `recorded-9.4.0.json` are replayed against
it in tests/contract/test_grafana_double.py, and the calls of the second can be put to a living Grafana there. For the
other versions it follows their documentation and the threads of their developers.
"""
