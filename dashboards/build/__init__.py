"""Development only: writes `rules/*.yml` and `grafana/*.json` from one declaration of each alert, rule and panel."""
