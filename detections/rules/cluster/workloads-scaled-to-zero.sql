/*---
id: workloads-scaled-to-zero
title: Workloads were scaled to zero
techniques: [N43]
status: stable
severity: medium
confidence: medium
attack: [T1485]
threat_matrix: [MS-TA9038]
layer: cluster
control: detection
practice: cluster-components
needs: {level: Request, resources: [deployments, statefulsets, replicasets]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  least_workloads:
    default: 3
    why: Different workloads within ten minutes before and after.
  system_namespaces:
    default: [kube-system, ingress-nginx, istio-system, cert-manager, monitoring, logging]
    why: Namespaces in which one workload is enough.
why: >-
  A workload with no pods is off, and nothing was deleted that anybody would miss in a list.
blind_spots: >-
  Scaling through another kind (an autoscaler's limits, a GitOps repository), or to one.
false_positives: >-
  Saving money at night, which software does and is low; maintenance.
triage:
  - Was it agreed on?
  - Bring the important ones back, then look at what else the identity did.
---*/
WITH scaled AS (
    SELECT * FROM workload_changes WHERE replicas = '0' AND resource <> 'cronjobs'
),
counted AS (
    SELECT *, count(DISTINCT concat_ws('/', resource, namespace, name)) FILTER (WHERE applied) OVER (
               PARTITION BY cluster, user_name, impersonated_user_name ORDER BY request_received_at
               RANGE BETWEEN INTERVAL 10 MINUTES PRECEDING AND INTERVAL 10 MINUTES FOLLOWING) AS near,
           list_contains($system_namespaces, namespace) AS is_system
    FROM scaled
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied OR (impersonated_user_name IS NULL AND service_account_name IS NOT NULL) THEN 'low'
            WHEN is_system AND near >= $least_workloads THEN 'high' END AS severity,
       did(user_name, impersonated_user_name, applied, 'scaled', 'scale') || thing(resource, subresource, namespace, name) || ' to zero'
           || outcome(applied, response_code, decision, response_message) AS detail
FROM counted
WHERE near >= $least_workloads OR is_system
