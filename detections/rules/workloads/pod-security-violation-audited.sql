/*---
id: pod-security-violation-audited
title: Pod Security in audit mode objected to a workload
techniques: [D12]
status: stable
severity: low
confidence: high
attack: [T1610]
threat_matrix: [MS-TA9018]
layer: cluster
control: prevention
practice: pod-security
needs: {verbs: [create, update, patch]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  The admission controller says in the audit log what a namespace's audit level would have refused, even where
  bodies are not logged.
blind_spots: >-
  Only namespaces with an audit label, or a cluster-wide default, are told of.
false_positives: >-
  Namespaces on their way to a stricter level.
triage:
  - What does the annotation object to?
  - Fix the workload, then enforce the level.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT coalesce(succeeded(response_code), false) OR is_dry_run(request_uri) THEN 'informational'
            WHEN regexp_matches(annotations, 'privileged: (true|container)|hostPath|host namespaces|allowed capabilities|non-default capabilities') THEN 'medium' END AS severity,
       actor(user_name, impersonated_user_name) || ' wrote ' || resource || ' ' || coalesce(namespace || '/', '') || coalesce(name, '') || ': '
           || coalesce(json_extract_string(annotations, '$."pod-security.kubernetes.io/audit-violations"'), 'exempt by ' || json_extract_string(annotations, '$."pod-security.kubernetes.io/exempt"')) AS detail
FROM requests
WHERE resource IN ('pods', 'deployments', 'daemonsets', 'statefulsets', 'replicasets', 'replicationcontrollers', 'jobs', 'cronjobs', 'podtemplates')
  AND verb IN ('create', 'update', 'patch')
  AND (contains(annotations, 'pod-security.kubernetes.io/audit-violations') OR contains(annotations, 'pod-security.kubernetes.io/exempt'))
  AND NOT (impersonated_user_name IS NULL AND is_built_in_controller(service_account_namespace, service_account_name))
