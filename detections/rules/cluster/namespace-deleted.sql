/*---
id: namespace-deleted
title: A namespace was deleted
techniques: [F11, N43]
status: stable
severity: medium
confidence: medium
attack: [T1485, T1489]
threat_matrix: [MS-TA9038]
layer: cluster
control: detection
practice: cluster-components
needs: {level: Metadata, resources: [namespaces]}
window: 1d
entity: [user_name, impersonated_user_name, source_ip]
params:
  important_namespaces:
    default: [kube-system, kube-public, kube-node-lease, monitoring, logging, ingress, ingress-nginx, cert-manager, istio-system, flux-system, argocd, velero, gatekeeper-system, kyverno, falco, trivy-system, vault]
    why: Namespaces without which the cluster does not work, or is not watched. A name here only adds suspicion.
why: >-
  With a namespace goes everything in it: workloads, secrets, claims and, with most storage, the data. What the
  controllers clear away after it is on their name; the person stands here.
blind_spots: >-
  Emptying a namespace without deleting it: see mass-deletion.
false_positives: >-
  Previews and tests; whoever deletes what they created themselves, and software, is low.
triage:
  - Was it agreed on?
  - Which volumes were in it, and are they kept (reclaim policy, backups)?
  - What did the same identity delete besides?
---*/
WITH deleted AS (
    SELECT * FROM deletions WHERE resource = 'namespaces'
),
made AS (
    SELECT DISTINCT cluster, coalesce(name, json_extract_string(response_object, '$.metadata.name')) AS name, user_name
    FROM requests
    WHERE resource = 'namespaces' AND subresource IS NULL AND (verb = 'create' OR (verb = 'patch' AND response_code = 201)) AND succeeded(response_code)
)
SELECT d.cluster, d.event_id, d.request_received_at, d.user_name, d.impersonated_user_name, d.source_ip,
       CASE WHEN NOT applied THEN 'low'
            WHEN list_contains($important_namespaces, d.name) OR d.verb = 'deletecollection' THEN 'high'
            WHEN m.name IS NOT NULL OR (impersonated_user_name IS NULL AND service_account_name IS NOT NULL) THEN 'low' END AS severity,
       did(d.user_name, d.impersonated_user_name, applied, 'deleted', 'delete') || 'namespace ' || coalesce(d.name, '*')
           || CASE WHEN m.name IS NOT NULL THEN ', which it had created' ELSE '' END || outcome(applied, response_code, decision, response_message) AS detail
FROM deleted AS d LEFT JOIN made AS m ON m.cluster = d.cluster AND m.name = d.name AND m.user_name = d.user_name
