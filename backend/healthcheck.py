"""What Docker asks from inside the container: exit code 0 where the API on this port is well. The image has no curl."""

import http.client
import sys


def main(port: int = 8000) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health")
        status = connection.getresponse().status
    except OSError as error:
        print(f"no answer: {error}")
        return 1
    finally:
        connection.close()
    print(f"status {status}")
    return 0 if status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
