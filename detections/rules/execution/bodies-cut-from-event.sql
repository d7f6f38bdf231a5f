/*---
id: bodies-cut-from-event
title: An event was logged without the body that it should have
techniques: [N26]
status: stable
severity: low
confidence: medium
attack: [T1562.008, T1027]
threat_matrix: [MS-TA9006]
layer: cluster
control: detection
practice: audit-logging
needs: {verbs: [create, update, patch]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Bodies over the kube-apiserver's limit are cut away, and with them everything that rules about contents see.
  Padding an object is enough; so a cut write of a pod or a role is told.
blind_spots: >-
  Writes that are missing from the log altogether (see audit-gap).
false_positives: >-
  Large custom resources and ConfigMaps.
triage:
  - Read the object in the cluster while it is there.
  - Raise the kube-apiserver's truncation limits, or the sink's.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN resource IN ('pods', 'deployments', 'daemonsets', 'statefulsets', 'jobs', 'cronjobs', 'roles', 'clusterroles', 'rolebindings', 'clusterrolebindings', 'mutatingwebhookconfigurations', 'validatingwebhookconfigurations')
            THEN 'medium' END AS severity,
       actor(user_name, impersonated_user_name) || ' ' || verb || ' ' || resource || ' ' || coalesce(namespace || '/', '') || coalesce(name, '') || ', and its bodies were cut' AS detail
FROM requests
WHERE truncated AND verb IN ('create', 'update', 'patch')
