"""Settings: what is read, what is refused, and that secrets stay secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from kist.errors import Misconfigured
from kist.setting_list import SETTINGS
from kist.settings import Settings, read_client_settings, read_settings


def read(tmp_path: Path, **environment: str) -> Settings:
    return read_settings(environment, tmp_path)


def test_the_defaults_need_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = read(tmp_path)
    home = tmp_path / "kist-data"
    assert settings.home == home
    assert settings.database == f"sqlite:///{home}/kist.sqlite"
    assert settings.store == f"disk:{home}/objects"
    assert settings.bucket == "kist"
    assert settings.limits.max_upload_size == 5 << 30


def test_the_environment_wins_over_the_file_and_empty_means_unset(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KIST_PORT=1111\nKIST_MAX_UPLOAD_SIZE=10MiB\nKIST_PUBLIC_URL=https://a.example/\n")
    settings = read(tmp_path, KIST_PORT="2222", KIST_PUBLIC_URL="")
    assert (settings.port, settings.max_upload_size, settings.public_url) == (2222, 10 << 20, "https://a.example")


def test_an_unknown_setting_is_refused_with_the_nearest_right_one(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"KIST_STOR\b.*KIST_STORE"):
        read(tmp_path, KIST_STOR="disk:/x")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KIST_PORT", "http"),
        ("KIST_MAX_UPLOAD_SIZE", "much"),
        ("KIST_MAX_UPLOAD_SIZE", "-1"),
        ("KIST_TYPE_MISMATCH", "perhaps"),
        ("KIST_ANONYMOUS", "filedrop"),
        ("KIST_ANONYMOUS", "filedrop=a b"),
        ("KIST_ANONYMOUS", "nosuch=guest"),
        ("KIST_ANONYMOUS_PUBLIC", "maybe"),
        ("KIST_PUBLIC_URL", "files.example"),
        ("KIST_JWT_ISSUER", "https://issuer"),
        ("KIST_S3_KEY", "alone"),
        ("KIST_ORIGINS", "https://app.example/path"),
        ("KIST_ORIGINS", "*"),
        ("KIST_SYNC_ROOTS", "relative=x"),
        ("KIST_SYNC_ROOTS", "/no/name"),
        ("KIST_SYNC_ROOTS", "a=/x,a=/y"),
        ("KIST_SYNC_ROOTS", "a:b=/x"),
        ("KIST_SYNC_ENDPOINTS", "s3.example.com"),
        ("KIST_SYNC_ENDPOINTS", "https://user:pass@s3.example.com"),
        ("KIST_SYNC_ENDPOINTS", "http://s3.example.com"),
        ("KIST_SYNC_ENDPOINTS", "https://192.0.2.1"),
        ("KIST_SYNC_ENDPOINTS", "https://[2001:db8::1]"),
        ("KIST_SYNC_ENDPOINTS", "https://s3.example.com/path"),
        ("KIST_SYNC_ENDPOINTS", "https://s3.example.com?region=a b"),
        ("KIST_SYNC_ENDPOINTS", "https://s3.example.com?other=x"),
        ("KIST_SYNC_ENDPOINTS", "internal:s3.example.com"),
        ("KIST_SYNC_REMOVE_BUCKET", "perhaps"),
        ("KIST_TRUSTED_PROXIES", "proxy.example"),
        ("KIST_S3_SIGNING_SECRET", "alone"),
    ],
)
def test_a_bad_value_is_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        read(tmp_path, **{name: value})
    assert name.rpartition("_")[0] in caught.value.message


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    settings = read(tmp_path, KIST_S3_KEY="AKIDCANARY", KIST_S3_SECRET="SECRETCANARY")
    assert "CANARY" not in repr(settings)
    assert settings.s3_secrets["secret"].reveal() == "SECRETCANARY"


def test_the_older_names_are_taken_and_switch_the_store_only_with_a_bucket(tmp_path: Path) -> None:
    older = {
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_STORAGE_REGION": "eu-west-1",
        "API_PORT": "5000",
    }
    settings = read(tmp_path, **older)
    assert settings.store.startswith("disk:")
    assert (settings.port, settings.s3_secrets["key"].reveal()) == (5000, "k")
    settings = read(tmp_path, **older, AWS_BUCKET_NAME="photos", AWS_ENDPOINT_URL="http://127.0.0.1:9000")
    assert settings.store == "s3://photos?region=eu-west-1&endpoint=http%3A%2F%2F127.0.0.1%3A9000"
    assert settings.bucket == "photos"
    assert read(tmp_path, S3_BUCKET_NAME="b2b", MINIO_PORT="9000").store.endswith("127.0.0.1%3A9000")


def test_lists_are_read(tmp_path: Path) -> None:
    settings = read(
        tmp_path, KIST_ORIGINS="https://a.example, http://localhost:3000", KIST_TRUSTED_PROXIES="10.0.0.0/8"
    )
    assert settings.origins == ("https://a.example", "http://localhost:3000")
    assert settings.trusted_proxies == ("10.0.0.0/8",)


def test_the_newer_name_wins_over_the_older(tmp_path: Path) -> None:
    assert read(tmp_path, KIST_PORT="1", API_PORT="2").port == 1


def test_every_setting_is_described() -> None:
    for setting in SETTINGS:
        assert setting.meaning
        assert setting.default


def test_a_file_in_the_folder_does_not_choose_where_the_key_is_sent(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KIST_SERVER=http://127.0.0.1:1\n")
    with pytest.raises(Misconfigured, match="KIST_SERVER"):
        read_client_settings({"KIST_KEY": "kist_a_b"}, tmp_path)
    assert read_client_settings({"KIST_KEY": "k"}, tmp_path, server="http://mine").server == "http://mine"
    assert read_client_settings({"KIST_KEY": "k", "KIST_SERVER": "http://mine"}, tmp_path).server == "http://mine"
    assert read_client_settings({}, tmp_path).server == "http://127.0.0.1:1"
    (tmp_path / ".env").write_text("KIST_SERVER=http://127.0.0.1:1\nKIST_KEY=kist_c_d\n")
    assert read_client_settings({}, tmp_path).server == "http://127.0.0.1:1"


@pytest.mark.parametrize(
    "given",
    [
        {"KIST_PUBLIC_URL": "https://u:CANARY@h"},
        {"KIST_S3_PUBLIC_ENDPOINT": "https://u:CANARY@h"},
        {"KIST_STORE": "s3://u:CANARY@bucket"},
        {"KIST_STORE": "s3://bucket?endpoint=http%3A%2F%2Fu%3ACANARY%40h"},
        {"AWS_BUCKET_NAME": "bucket", "AWS_ENDPOINT_URL": "http://u:CANARY@h"},
    ],
)
def test_keys_do_not_hide_in_addresses(tmp_path: Path, given: dict[str, str]) -> None:
    with pytest.raises(Misconfigured) as caught:
        read_settings(given, tmp_path)
    assert "CANARY" not in caught.value.message
