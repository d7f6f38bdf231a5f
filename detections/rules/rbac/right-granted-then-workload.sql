/*---
id: right-granted-then-workload
title: A right was granted, and soon a workload that uses it
techniques: [E18]
status: stable
severity: low
confidence: low
attack: [T1098.006, T1610]
layer: cluster
control: detection
practice: rbac
needs: {level: Request, resources: [rolebindings, clusterrolebindings]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  seconds:
    default: 600
    why: How soon after the grant.
why: >-
  Binding a service account to a strong role and starting a pod under it is how a right is turned into a foothold. Only
  a workload that really uses the account counts.
blind_spots: >-
  Another identity, or another day, for the second step. The default account is used without being named.
false_positives: >-
  Installing software does exactly this; a strong role, by a person, is medium.
triage:
  - Which software is it, and does it need that role?
  - What did the pod do with its account?
---*/
WITH grants AS (
    SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip, subject_name,
           coalesce(subject_namespace, namespace) AS home, role_name, resource, object_name
    FROM rbac_subjects
    WHERE subject_kind = 'ServiceAccount' AND applied
      AND NOT is_own_machinery(user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name)
),
workloads AS (
    SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip, service_account_name, resource, namespace, object_name,
           coalesce(json_extract_string(pod_spec, '$.serviceAccountName'), json_extract_string(pod_spec, '$.serviceAccount'), 'default') AS runs_as
    FROM pod_specs
    WHERE applied AND NOT is_own_machinery(user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name)
)
SELECT w.cluster, w.event_id, w.request_received_at, w.user_name, w.impersonated_user_name, w.source_ip,
       CASE WHEN g.role_name IN ('cluster-admin', 'admin', 'edit') AND g.resource = 'clusterrolebindings'
                 AND (w.service_account_name IS NULL OR w.impersonated_user_name IS NOT NULL) THEN 'medium' END AS severity,
       actor(w.user_name, w.impersonated_user_name) || ' wrote ' || w.resource || ' ' || coalesce(w.namespace || '/', '') || coalesce(w.object_name, '')
           || ' under service account ' || g.home || '/' || g.subject_name || ', which it had bound to ' || coalesce(g.role_name, 'a role') || ' shortly before' AS detail
FROM workloads AS w
JOIN grants AS g ON g.cluster = w.cluster AND g.user_name = w.user_name AND g.impersonated_user_name IS NOT DISTINCT FROM w.impersonated_user_name
    AND g.home = w.namespace AND g.subject_name = w.runs_as
    AND w.request_received_at BETWEEN g.request_received_at AND g.request_received_at + to_seconds($seconds)
