/*---
id: workload-image-swapped
title: A running workload was given an image of another origin
techniques: [C19, C21]
status: stable
severity: medium
confidence: medium
attack: [T1525, T1610]
layer: code
control: detection
practice: supply-chain
needs: {level: Request, verbs: [create, update, patch], resources: [pods, deployments, daemonsets, statefulsets, jobs, cronjobs, replicasets]}
window: 1d
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  A deployment that changes its registry or its repository keeps its name, its service account and its secrets,
  and runs other people's code with them.
blind_spots: >-
  The version before must be in the log. A new tag of the same repository is an ordinary release.
false_positives: >-
  Moves to another registry.
triage:
  - Was the move announced?
  - Compare the two images.
  - What did the new pods do with their service account?
---*/
WITH images AS (
    SELECT *, image_repository(image) AS repository,
           lag(image_repository(image)) OVER (
               PARTITION BY cluster, resource, namespace, object_name, container_name ORDER BY request_received_at, event_id) AS earlier_repository
    FROM workload_containers
    WHERE image IS NOT NULL AND applied AND authored AND resource <> 'pods' AND subresource IS NULL
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       who || ' changed ' || workload || ' from ' || earlier_repository || ' to ' || image AS detail
FROM images
WHERE earlier_repository <> repository
