#!/usr/bin/env python3
"""Writes grafana/cairn.json, the dashboard of Cairn: `grafana/dashboard.py > grafana/cairn.json`.

A panel is a line or two here: what it shows, in which unit, by which expressions. README.md says of each panel which question
it answers; a test keeps the JSON equal to this file and the panels equal to those of README.md.
"""

import json

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT = 24, 8

# What every selector begins with: of what a process does, of its repositories, of its targets.
I = '{instance=~"$instance"}'
R = '{instance=~"$instance", repository=~"$repository"}'
T = '{instance=~"$instance", database=~"$database"}'


def by_target(expr):
    """One row of a table for a target: `merge` takes for one row what has the same labels, and the name of a metric is one."""
    return f"max by (instance, target, repository, database) ({expr})"


def by_repository(expr):
    """The same for a repository."""
    return f"max by (instance, repository) ({expr})"


def panel(kind, title, unit, *targets, width=8, least=0, **options):
    """`targets` are pairs of an expression and its legend; `least` is where the axis begins, None where values may be negative."""
    is_now = kind in ("table", "stat", "bargauge")
    queries = [
        {
            "refId": chr(ord("A") + number),
            "datasource": SOURCE,
            "expr": expr,
            "legendFormat": legend,
            "instant": is_now,
            "range": not is_now,
            "format": {"table": "table", "heatmap": "heatmap"}.get(kind, "time_series"),
        }
        for number, (expr, legend) in enumerate(targets)
    ]
    made = {
        "type": kind,
        "title": title,
        "datasource": SOURCE,
        "targets": queries,
        "fieldConfig": {"defaults": {"unit": unit} | ({} if least is None else {"min": least}), "overrides": options.pop("overrides", [])},
        "options": {},
        "width": width,
    }
    if kind == "heatmap":
        made["options"] = {"calculate": False, "yAxis": {"unit": "s"}, "color": {"scheme": "Blues", "mode": "scheme"}}
    if kind == "table":
        made["transformations"] = [{"id": "merge", "options": {}}] + options.pop("transformations", [])
    if kind == "bargauge":
        made["fieldConfig"]["defaults"]["max"] = 1
        made["options"] = {"orientation": "horizontal", "displayMode": "basic"}
    made.update(options)
    return made


def columns(names, units):
    """Renames the values of a table, hides what nobody reads, gives each its unit."""
    hidden = {"Time": True, "__name__": True, "job": True}
    rename = {"id": "organize", "options": {"excludeByName": hidden, "renameByName": names}}
    overrides = [
        {"matcher": {"id": "byName", "options": name}, "properties": [{"id": "unit", "value": unit}]}
        for name, unit in units.items()
    ]
    return {"transformations": [rename], "overrides": overrides}


ROWS = {
    "Jobs": [
        panel(
            "table", "Running jobs", "short",
            (f"sum by (instance, kind, state) (cairn_jobs_running{I}) > 0", ""),
            **columns({"Value": "jobs"}, {}),
        ),
        panel(
            "bargauge", "Progress", "percentunit",
            (f"sum by (instance, kind) (cairn_jobs_done_bytes{I}) / (sum by (instance, kind) (cairn_jobs_planned_bytes{I}) > 0)", "{{kind}} {{instance}}"),
        ),
        panel(
            "timeseries", "Jobs that ended", "short",
            (f"sum by (kind, outcome) (increase(cairn_jobs_total{I}[$__rate_interval]))", "{{kind}} {{outcome}}"),
        ),
        panel(
            "timeseries", "How long jobs take", "s",
            (f"histogram_quantile(0.9, sum by (le, kind, outcome) (increase(cairn_job_seconds_bucket{I}[1d])))", "{{kind}} {{outcome}}: nine of ten within"),
        ),
        panel(
            "timeseries", "Backups and restores by outcome, a day", "short",
            ('sum by (kind, outcome) (increase(cairn_jobs_total{instance=~"$instance", kind=~"backup|restore"}[1d]))', "{{kind}} {{outcome}}"),
            width=16,
        ),
    ],
    "Throughput": [
        panel("timeseries", "Throughput by stage", "Bps", (f"cairn:stage_bytes:rate2m{I}", "{{stage}} {{instance}}")),
        panel("timeseries", "Items by stage", "ops", (f"sum by (instance, stage) (rate(cairn_stage_items_total{I}[$__rate_interval]))", "{{stage}} {{instance}}")),
        panel("timeseries", "Busy threads by stage", "short", (f"sum by (instance, stage) (rate(cairn_stage_busy_seconds_sum{I}[$__rate_interval]))", "{{stage}} {{instance}}")),
        panel("timeseries", "The slow stage", "short", (f"cairn:stage_holdup:rate2m{I}", "{{stage}} {{instance}}")),
        panel(
            "timeseries", "Edges: who waits", "short",
            (f"sum by (instance, edge) (rate(cairn_edge_send_wait_seconds_sum{I}[$__rate_interval]))", "{{edge}} {{instance}} is full"),
            (f"sum by (instance, edge) (rate(cairn_edge_recv_wait_seconds_sum{I}[$__rate_interval]))", "{{edge}} {{instance}} is empty"),
        ),
        panel("timeseries", "Edges: what waits", "short", (f"sum by (instance, edge) (cairn_edge_depth_items{I})", "{{edge}} {{instance}}")),
        panel("timeseries", "Faults of stages", "short", (f"sum by (instance, stage) (increase(cairn_stage_errors_total{I}[1h]))", "{{stage}} {{instance}}")),
    ],
    "Dedupe and compression": [
        panel("timeseries", "New bytes of all bytes backed up, a day", "percentunit", (f"cairn:backup_new:ratio1d{I}", "{{instance}}")),
        panel("timeseries", "What becomes of bytes", "Bps", (f"sum by (outcome) (rate(cairn_backup_bytes_total{I}[1h]))", "{{outcome}}")),
        panel(
            "timeseries", "Compression", "short",
            ('sum by (instance) (increase(cairn_chunk_raw_bytes_total{instance=~"$instance", outcome="new"}[1d])) / sum by (instance) (increase(cairn_chunk_stored_bytes_total{instance=~"$instance"}[1d]))', "{{instance}}: times smaller"),
        ),
        panel("timeseries", "Chunks", "ops", (f"sum by (outcome) (rate(cairn_chunks_total{I}[$__rate_interval]))", "{{outcome}}")),
        panel("timeseries", "Entries of the index", "short", (f"cairn_index_entries{I}", "{{instance}}")),
    ],
    "Storage": [
        panel("heatmap", "Upload latency", "short", ('sum by (le) (increase(cairn_storage_request_seconds_bucket{instance=~"$instance", operation="put"}[$__rate_interval]))', "{{le}}"), width=16),
        panel("timeseries", "Bytes by backend", "Bps", (f"sum by (backend, operation) (rate(cairn_storage_bytes_total{I}[$__rate_interval]))", "{{backend}} {{operation}}")),
        panel("timeseries", "Held up by speed limits", "percentunit", (f"sum by (instance, operation) (rate(cairn_storage_speed_limit_wait_seconds_sum{I}[$__rate_interval]))", "{{operation}} {{instance}}")),
        panel("timeseries", "Errors by backend", "ops", ('sum by (backend, operation) (rate(cairn_storage_requests_total{instance=~"$instance", outcome="error"}[$__rate_interval]))', "{{backend}} {{operation}}")),
        panel("timeseries", "Retries by backend", "ops", (f"sum by (backend, operation) (rate(cairn_storage_retries_total{I}[$__rate_interval]))", "{{backend}} {{operation}}")),
        panel(
            "timeseries", "Requests in flight", "short",
            (f"sum by (instance, backend) (cairn_storage_in_flight{I})", "{{backend}} {{instance}}"),
            (f"sum by (instance, backend) (cairn_storage_in_flight_limit{I})", "{{backend}} {{instance}}: at most"),
        ),
    ],
    "Repositories": [
        panel(
            "table", "Snapshot age against its target", "s",
            (by_target(f"cairn:target_age:seconds{T}"), ""),
            (by_target(f"cairn_target_max_age_seconds{T}"), ""),
            (by_target(f"cairn:target_age:seconds{T} / cairn_target_max_age_seconds{T}"), ""),
            width=16,
            **columns({"Value #A": "age", "Value #B": "at most", "Value #C": "of it"}, {"age": "s", "at most": "s", "of it": "percentunit"}),
        ),
        panel("stat", "Reachable", "bool_yes_no", (f"cairn_repository_reachable{R}", "{{repository}} {{instance}}")),
        panel("timeseries", "Size", "bytes", (f"cairn_repository_stored_bytes{R}", "{{repository}} {{instance}}")),
        panel("timeseries", "Growth, a day", "bytes", (f"delta(cairn_repository_stored_bytes{R}[1d])", "{{repository}} {{instance}}"), least=None),
        panel("timeseries", "How often it would fit", "short", (f"cairn_repository_snapshot_bytes{R} / (cairn_repository_stored_bytes{R} > 0)", "{{repository}} {{instance}}: times smaller")),
        panel("timeseries", "Snapshots", "short", (f"cairn_repository_snapshots{R}", "{{repository}} {{instance}}")),
        panel(
            "table", "Last look, snapshot and check", "s",
            (by_repository(f"time() - cairn_repository_reached_timestamp_seconds{R}"), ""),
            (by_repository(f"time() - cairn_repository_newest_snapshot_timestamp_seconds{R}"), ""),
            (by_repository(f"time() - cairn_repository_checked_timestamp_seconds{R}"), ""),
            (by_repository(f"cairn_repository_damages{R}"), ""),
            width=16,
            **columns(
                {"Value #A": "looked at", "Value #B": "newest snapshot", "Value #C": "checked", "Value #D": "damages"},
                {"looked at": "s", "newest snapshot": "s", "checked": "s", "damages": "short"},
            ),
        ),
        panel("timeseries", "Findings of checks, a day", "short", (f"sum by (object) (increase(cairn_check_findings_total{I}[1d]))", "{{object}}")),
        panel(
            "timeseries", "Forgotten snapshots and sweeps, a day", "short",
            (f"sum by (why) (increase(cairn_snapshots_forgotten_total{I}[1d]))", "forgotten: {{why}}"),
            (f"sum by (outcome) (increase(cairn_sweeps_total{I}[1d]))", "sweeps: {{outcome}}"),
        ),
        panel("timeseries", "Prunes, a day", "bytes", (f"sum by (outcome) (increase(cairn_prune_bytes_total{I}[1d]))", "{{outcome}}")),
    ],
}


def placed(rows):
    """The panels from left to right, from top to bottom, each row under its title."""
    panels, y = [], 0
    for title, row in rows.items():
        panels.append({"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": y}})
        x, y = 0, y + 1
        for made in row:
            width = made.pop("width")
            if x + width > WIDTH:
                x, y = 0, y + HEIGHT
            panels.append({**made, "gridPos": {"h": HEIGHT, "w": width, "x": x, "y": y}})
            x += width
        y += HEIGHT
    return [{"id": number, **made} for number, made in enumerate(panels, 1)]


def variable(name, query):
    return {
        "name": name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


DASHBOARD = {
    "uid": "cairn",
    "title": "Cairn",
    "description": "Backups and restores: how far, how fast, what holds them back. grafana/README.md says how to read each panel.",
    "tags": ["cairn"],
    "schemaVersion": 39,
    "editable": True,
    "refresh": "10s",
    "time": {"from": "now-1h", "to": "now"},
    "templating": {
        "list": [
            {"name": "datasource", "type": "datasource", "query": "prometheus"},
            variable("instance", "label_values(cairn_jobs_total, instance)"),
            variable("repository", "label_values(cairn_repository_reachable, repository)"),
            variable("database", "label_values(cairn_target_max_age_seconds, database)"),
        ]
    },
    "panels": placed(ROWS),
}

if __name__ == "__main__":
    print(json.dumps(DASHBOARD, indent=1))
