"""What `import sluice` takes beyond NumPy, in milliseconds, best of several processes.

    import_time.py MOST_MS
"""

import subprocess
import sys

CODE = """
import time
import numpy
start = time.perf_counter()
import sluice
print((time.perf_counter() - start) * 1e3)
"""


def main():
    times = sorted(float(subprocess.run([sys.executable, "-c", CODE], stdout=subprocess.PIPE,
                                        check=True).stdout) for _ in range(10))
    print(f"import sluice takes {times[0]:.1f} ms beyond NumPy's (median {times[5]:.1f})")
    return 0 if times[0] <= float(sys.argv[1]) else 1


if __name__ == "__main__":
    sys.exit(main())
