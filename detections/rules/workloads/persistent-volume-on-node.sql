/*---
id: persistent-volume-on-node
title: A persistent volume reaches into a node, or onto a disk that is in use
techniques: [N49]
status: stable
severity: high
confidence: high
attack: [T1611]
threat_matrix: [MS-TA9013]
layer: container
control: detection
practice: pod-security
needs: {level: Request, verbs: [create, update, patch], resources: [persistentvolumes]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  A pod that claims a persistent volume mounts a directory of its node without saying so: whoever looks at
  pods alone sees only a claim.
blind_spots: >-
  What a storage driver does by itself on a node. A volume that was there before the log began and is only
  claimed now. At level Metadata the log shows no path.
false_positives: >-
  Provisioners that carve volumes out of a node's disk write paths of their own, below a directory for data:
  those are low. Small clusters that use hostPath for want of storage.
triage:
  - Who wrote it, and which claim is bound to it (spec.claimRef)?
  - Which pods use that claim, and what did they run?
  - Delete the volume and look at the node if the path holds credentials or the container runtime's socket.
---*/
WITH volumes AS (
    SELECT *, coalesce(json_extract_string(document, '$.spec.hostPath.path'), json_extract_string(document, '$.spec.local.path')) AS path,
           json_extract_string(document, '$.spec.nfs.server') || ':' || json_extract_string(document, '$.spec.nfs.path') AS share,
           json_extract_string(document, '$.spec.csi.volumeHandle') AS handle
    FROM written_documents
    WHERE resource = 'persistentvolumes' AND subresource IS NULL
),
sources AS (
    SELECT *, '/' || array_to_string(list_filter(string_split(path, '/'), lambda step: step NOT IN ('', '.')), '/') AS clean,
           -- A controller writes the whole object again when it binds it; the source of a volume never changes.
           lag(applied) OVER (PARTITION BY cluster, object_name, path, share, handle ORDER BY request_received_at) AS known,
           -- The same volume of a storage driver under two names: two tenants, one disk.
           min(object_name) OVER (PARTITION BY cluster, handle ORDER BY request_received_at) AS first_name
    FROM volumes
    WHERE path IS NOT NULL OR share IS NOT NULL OR handle IS NOT NULL
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low'
            WHEN path IS NOT NULL AND (clean IN ('/', '/var', '/var/lib', '/var/run', '/run', '/home', '/usr', '/lib', '/bin', '/sbin', '/opt')
                 OR regexp_matches(clean, '^/(etc|root|proc|sys|boot|dev)(/|$)|^/var/lib/(kubelet|etcd|docker|containerd|rancher|k0s|cni)(/|$)|^/(var/)?run/.*\.sock$|^/var/log(/|$)|^/home/[^/]+(/\.ssh.*)?$')
                    AND NOT regexp_matches(clean, '^/dev/disk(/|$)')) THEN 'high'
            WHEN handle IS NOT NULL THEN 'medium'
            ELSE 'low' END AS severity,
       CASE WHEN path IS NULL THEN 'medium' END AS confidence,
       did(user_name, impersonated_user_name, applied, 'wrote', 'write') || 'the persistent volume ' || coalesce(object_name, '') || ' on '
           || CASE WHEN path IS NOT NULL THEN clean || ' of a node' WHEN share IS NOT NULL THEN 'the share ' || share
                   ELSE 'the disk ' || handle || ', which ' || first_name || ' is on' END
           || outcome(applied, response_code, decision, response_message) AS detail
FROM sources
WHERE NOT coalesce(known, false) AND (handle IS NULL OR first_name <> object_name)
