/*---
id: scan-reports-deleted
title: Findings of a scanner were deleted
techniques: [N20]
status: stable
severity: medium
confidence: medium
attack: [T1562.001]
layer: cluster
control: detection
practice: supply-chain
needs: {level: Metadata, verbs: [delete, deletecollection]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  scanners:
    default: [trivy-system/trivy-operator, kubescape/storage, kubescape/operator, kubescape/kubevuln, kubescape/node-agent, kyverno/kyverno-reports-controller, kyverno/kyverno-background-controller, kyverno/kyverno-cleanup-controller]
    why: Service accounts (namespace/name) that write these reports and clear away their own.
why: >-
  Reports of vulnerabilities, misconfiguration, exposed secrets and policy violations are how an operator learns of a
  bad image. Deleting them by hand hides it until the next scan, or for good where the scanner is gone too.
blind_spots: >-
  Editing a report instead; exporters that copied it before.
false_positives: >-
  Forcing a new scan by deleting the old report; uninstalling the scanner.
triage:
  - Which reports, of which workloads?
  - Does the scanner still run, and did the report come back?
  - What did the same identity deploy?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low' END AS severity,
       did(user_name, impersonated_user_name, applied, 'deleted', 'delete') || CASE verb WHEN 'deletecollection' THEN 'all ' ELSE '' END
           || thing(resource, subresource, namespace, name) || ' (' || tool || ')' || outcome(applied, response_code, decision, response_message) AS detail
FROM guard_changes
WHERE guard = 'reports' AND verb IN ('delete', 'deletecollection')
  AND NOT (impersonated_user_name IS NULL AND coalesce(list_contains($scanners, service_account_namespace || '/' || service_account_name), false))
