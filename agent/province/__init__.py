"""The province's side: one inventory in; monitoring servers, alerts, dashboards and every agent's configuration out."""
