/*---
id: image-outside-list
title: An image from outside the allowed registries was asked for
techniques: [C13]
status: stable
severity: medium
confidence: high
attack: [T1610, T1525]
threat_matrix: [MS-TA9008]
layer: code
control: prevention
practice: supply-chain
needs: {level: Request, verbs: [create, update, patch], resources: [pods, deployments, daemonsets, statefulsets, jobs, cronjobs, replicasets]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  allowed_images:
    why: Registries or repositories whose images may run, such as registry.example or docker.io/library/nginx.
why: >-
  Images from places that nobody checks are how foreign code gets in. An allow-list of registries and
  repositories is the simplest thing that holds.
blind_spots: >-
  An allowed registry that holds a bad image. Images that an admission webhook swaps, where the level hides the
  stored object.
false_positives: >-
  A new registry that is not on the list yet.
triage:
  - Who brought the image in, and where does it come from?
  - Scan it; pin what is meant by digest.
  - Enforce the list at admission as well.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied OR NOT authored THEN 'low' END AS severity,
       who || ' wrote ' || workload || ' with the image ' || image || outcome_words AS detail
FROM workload_containers
WHERE image IS NOT NULL
  -- Whole steps of the name count: registry.example allows neither registry.example.evil nor registry.example:5000.
  AND NOT list_contains($allowed_images, image)
  AND len(list_filter($allowed_images, lambda allowed:
          starts_with(image_repository(image) || '/', rtrim(allowed, '/') || '/') OR starts_with(image_repository(image) || '/', image_repository(rtrim(allowed, '/')) || '/'))) = 0
