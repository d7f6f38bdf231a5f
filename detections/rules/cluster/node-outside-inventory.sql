/*---
id: node-outside-inventory
title: A node joined that is in no list
techniques: [F05]
status: stable
severity: high
confidence: medium
attack: [T1098, T1133]
layer: cluster
control: detection
practice: cluster-components
needs: {level: Metadata, resources: [nodes], verbs: [create]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  known_nodes:
    why: Names of the nodes of your clusters. Only of use where no autoscaler makes up names.
why: >-
  With a stolen bootstrap token a stranger's machine becomes a node, is given pods, and may read their secrets.
blind_spots: >-
  A stranger that takes the name of a node which is away.
false_positives: >-
  New machines that nobody put into the list.
triage:
  - Is there a machine of that name, and whose is the source_ip?
  - Which certificate signing request let it in, and who approved that?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT took_effect(verb, level, response_code, request_uri, request_object) THEN 'low' END AS severity,
       did(user_name, impersonated_user_name, took_effect(verb, level, response_code, request_uri, request_object), 'registered', 'register')
           || 'node ' || coalesce(name, json_extract_string(request_object, '$.metadata.name'), '')
           || outcome(took_effect(verb, level, response_code, request_uri, request_object), response_code, decision, response_message) AS detail
FROM requests
WHERE resource = 'nodes' AND api_group IS NULL AND verb = 'create' AND subresource IS NULL
  AND NOT list_contains($known_nodes, coalesce(name, json_extract_string(request_object, '$.metadata.name'), ''))
