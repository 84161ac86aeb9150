"""``path("modules/s3-file-uploader/", include("kist.django.urls.crowdbotics"))``: the Crowdbotics S3 File Uploader.

The names of the older module's seven routes are kept.
"""

from kist.dialects.crowdbotics import DIALECT
from kist.dialects.crowdbotics.addresses import MODULE
from kist.django.host.views import url_patterns

urlpatterns = url_patterns(
    DIALECT,
    at=MODULE,
    names={
        "crowdbotics-buckets": "s3_service-bucket-list",
        "crowdbotics-bucket-create": "s3_service-create-bucket",
        "crowdbotics-bucket-remove": "s3_service-delete-bucket",
        "crowdbotics-upload": "s3_service-upload-file",
        "crowdbotics-download": "s3_service-download-file",
        "crowdbotics-remove": "s3_service-delete-file",
        "crowdbotics-presign": "s3_service-create-presigned-url",
    },
)
