/*---
id: permissions-asked-about
title: Somebody asked what they may do
techniques: [C26]
status: stable
severity: low
confidence: medium
attack: [T1069.003]
threat_matrix: [MS-TA9029]
layer: cluster
control: detection
practice: rbac
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  many_lists:
    default: 5
    why: Lists of all rights asked for by one identity within twenty minutes.
  many_questions:
    default: 15
    why: Single questions within twenty minutes from which on they count like a list.
why: >-
  kubectl auth can-i --list is the first thing typed with a found credential. Programs ask about one thing they
  need; asking for all rules is a person.
blind_spots: >-
  Tools that try instead of asking (see permission-enumeration).
false_positives: >-
  Dashboards, k9s and Lens ask at their start.
triage:
  - Is it a person with a new credential, or a program?
  - What did it do next?
---*/
WITH asked AS (
    SELECT *, count(*) FILTER (resource = 'selfsubjectrulesreviews') OVER near AS lists, count(DISTINCT CASE WHEN json_valid(request_object) THEN json_extract_string(request_object, '$.spec.namespace') END) OVER near AS namespaces,
           count(*) OVER near AS questions
    FROM requests
    WHERE resource IN ('selfsubjectrulesreviews', 'selfsubjectaccessreviews', 'selfsubjectreviews') AND verb = 'create' AND NOT (impersonated_user_name IS NULL AND (is_control_plane(user_name, user_groups, source_ip) OR is_built_in_controller(service_account_namespace, service_account_name)))
    WINDOW near AS (PARTITION BY cluster, user_name, impersonated_user_name, source_ip ORDER BY request_received_at RANGE BETWEEN INTERVAL 10 MINUTE PRECEDING AND INTERVAL 10 MINUTE FOLLOWING)
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN lists >= $many_lists THEN 'medium' WHEN lists = 0 AND questions < $many_questions THEN 'informational' END AS severity,
       actor(user_name, impersonated_user_name) || ' asked ' || CASE resource WHEN 'selfsubjectrulesreviews' THEN 'for everything they may do' WHEN 'selfsubjectreviews' THEN 'who they are' ELSE 'whether they may do something' END || ', ' || questions || ' questions within ten minutes' AS detail
FROM asked
