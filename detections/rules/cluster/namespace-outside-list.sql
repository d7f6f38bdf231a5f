/*---
id: namespace-outside-list
title: A namespace was created that is in no list
techniques: [F03]
status: stable
severity: low
confidence: medium
attack: [T1610]
layer: cluster
control: detection
practice: cluster-components
needs: {level: Metadata, resources: [namespaces]}
window: 1d
entity: [user_name, impersonated_user_name, source_ip]
params:
  known_namespaces:
    why: Names of namespaces that may be created; where teams make their own, leave it out.
why: >-
  Quotas, policies and labels hang on namespaces; one that nobody knows has none of them.
blind_spots: >-
  What is done in a known namespace. A generated name is judged by what it became, where the level shows that.
false_positives: >-
  Previews and tests.
triage:
  - Who made it, and what runs in it?
  - Which policies apply to it?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT took_effect(verb, level, response_code, request_uri, request_object) THEN 'informational' END AS severity,
       did(user_name, impersonated_user_name, took_effect(verb, level, response_code, request_uri, request_object), 'created', 'create')
           || 'namespace ' || coalesce(name, json_extract_string(response_object, '$.metadata.name'), json_extract_string(request_object, '$.metadata.generateName') || '*', '*')
           || outcome(took_effect(verb, level, response_code, request_uri, request_object), response_code, decision, response_message) AS detail
FROM requests
WHERE resource = 'namespaces' AND subresource IS NULL AND (verb = 'create' OR (verb = 'patch' AND response_code = 201))
  AND NOT list_contains($known_namespaces, coalesce(name, json_extract_string(response_object, '$.metadata.name'), ''))
  AND NOT is_own_machinery(user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name)
