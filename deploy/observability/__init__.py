"""Prometheus' and Grafana's configuration, and the dashboards as code."""
