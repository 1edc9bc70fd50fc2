"""The client's side of TLS: which authority is trusted, and which certificate is shown."""

import ssl

from shared.errors import InvalidSetting


def client_context(ca_file: str, certificate_file: str = "", key_file: str = "") -> ssl.SSLContext:
    """Make a context that checks certificates and host names. An empty `ca_file` trusts what the system does.

    Raises `InvalidSetting` for a file that does not hold what it should.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise InvalidSetting(f"{ca_file} holds no certificate of an authority in PEM form: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate_file:
        try:
            # Without this an encrypted key would make OpenSSL ask at the terminal.
            context.load_cert_chain(certificate_file, key_file, password=_no_password)
        except (OSError, ValueError) as error:
            raise InvalidSetting(
                f"{certificate_file} and {key_file} are no certificate and its unencrypted key in PEM form: {error}"
            ) from error
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted; give it without a password: openssl pkey -in KEY -out PLAIN")
