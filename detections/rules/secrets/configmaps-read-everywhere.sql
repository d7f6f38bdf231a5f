/*---
id: configmaps-read-everywhere
title: ConfigMaps of the whole cluster were read
techniques: [B23]
status: stable
severity: low
confidence: medium
attack: [T1552.001]
threat_matrix: [MS-TA9025]
layer: cluster
control: detection
practice: secrets
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  ConfigMaps hold more passwords than anybody admits. A list of all namespaces by a program that is none of the
  cluster's takes them all.
blind_spots: >-
  Reads one namespace at a time.
false_positives: >-
  Operators and dashboards that watch ConfigMaps everywhere.
triage:
  - Is this what the identity always does (see first uses)?
  - Look for credentials in ConfigMaps and move them into secrets.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT coalesce(succeeded(response_code), response_code IS NULL) THEN 'informational' END AS severity,
       actor(user_name, impersonated_user_name) || ' listed the ConfigMaps of all namespaces' || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM requests
WHERE resource = 'configmaps' AND verb = 'list' AND namespace IS NULL AND name IS NULL AND NOT (impersonated_user_name IS NULL AND (is_control_plane(user_name, user_groups, source_ip) OR is_built_in_controller(service_account_namespace, service_account_name)))
