/*---
id: right-granted-and-revoked
title: A right was granted, used and taken back
techniques: [N16]
status: stable
severity: medium
confidence: medium
attack: [T1098.006, T1070]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata, resources: [rolebindings, clusterrolebindings]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  minutes:
    default: 60
    why: How soon after the grant it was taken back.
why: >-
  A binding that lived for minutes is in no list afterwards. What it allowed stands in the log under its name: a
  request that it allowed makes the finding high.
blind_spots: >-
  A binding that is left in place, or taken back by somebody else. Rights through a role that was changed and put back.
false_positives: >-
  Tools for access on request, which do exactly this; from service accounts it is low. Tests.
triage:
  - What did the binding allow in between? The detail counts the requests that name it.
  - Was it agreed on?
---*/
WITH changes AS (
    SELECT *, verb = 'create' OR (verb = 'patch' AND response_code = 201) AS granted,
           CASE resource WHEN 'clusterrolebindings' THEN 'ClusterRoleBinding "' ELSE 'RoleBinding "' END
               || coalesce(name, json_extract_string(response_object, '$.metadata.name'), '') || coalesce('/' || namespace, '') || '"' AS reason
    FROM requests
    WHERE resource IN ('rolebindings', 'clusterrolebindings') AND api_group = 'rbac.authorization.k8s.io' AND subresource IS NULL
      AND (verb IN ('create', 'delete') OR (verb = 'patch' AND response_code = 201))
      AND took_effect(verb, level, response_code, request_uri, request_object)
      AND NOT is_cleaning(verb, user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name)
      AND NOT (impersonated_user_name IS NULL AND is_control_plane(user_name, user_groups, source_ip))
),
short AS (
    SELECT d.*, g.request_received_at AS granted_at
    FROM changes AS d JOIN changes AS g ON g.cluster = d.cluster AND g.reason = d.reason AND g.granted AND NOT d.granted AND g.user_name = d.user_name
        AND d.request_received_at BETWEEN g.request_received_at AND g.request_received_at + to_minutes($minutes)
),
-- The texts first: there are few, and only then are requests looked at.
reasons AS (
    SELECT s.cluster, s.event_id, s.granted_at, s.request_received_at, t.decision_reason
    FROM short AS s JOIN (SELECT DISTINCT cluster, decision_reason FROM requests WHERE decision = 'allow' AND contains(decision_reason, 'Binding "')) AS t
        ON t.cluster = s.cluster AND contains(t.decision_reason, s.reason)
),
used AS (
    SELECT t.event_id, count(*) AS uses
    FROM reasons AS t JOIN requests AS r ON r.cluster = t.cluster AND r.decision_reason = t.decision_reason
    WHERE r.request_received_at BETWEEN t.granted_at AND t.request_received_at
    GROUP BY ALL
)
SELECT s.cluster, s.event_id, s.request_received_at, s.user_name, s.impersonated_user_name, s.source_ip,
       CASE WHEN s.impersonated_user_name IS NULL AND s.service_account_name IS NOT NULL THEN 'low' WHEN u.uses > 0 THEN 'high' END AS severity,
       actor(s.user_name, s.impersonated_user_name) || ' took back ' || thing(s.resource, s.subresource, s.namespace, s.name) || ' after '
           || round(epoch(s.request_received_at) - epoch(s.granted_at))::INTEGER || ' seconds; it allowed ' || coalesce(u.uses, 0) || ' requests' AS detail
FROM short AS s LEFT JOIN used AS u ON u.event_id = s.event_id
