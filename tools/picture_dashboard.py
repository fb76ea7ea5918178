"""Make the picture of the dashboard: the demo's camera, the node, and a headless browser.

source tools/environment.bash && pip install -r requirements/browser.txt
python tools/picture_dashboard.py docs/pictures/dashboard.png
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from std_msgs.msg import String

from spatialllm_ros.demo.ask_client import AskClient
from spatialllm_ros.demo.environment import demo_environment
from spatialllm_ros.demo.processes import (
    IMAGE_TOPIC,
    Processes,
    start_camera,
    start_dashboard,
    start_node,
)
from spatialllm_ros.demo.recording import TRUTH_TOPIC
from spatialllm_ros.demo.truth_book import TruthBook
from spatialllm_ros.errors import SceneError
from spatialllm_ros.schema import QuestionRecord

WINDOW, QUESTIONS, PATIENCE_S = '1280,1340', 7, 60.0
OPENING_S = 1.0
WATCHES = """
watches:
  - {name: person, question: "is there a person in view?", options: [yes, no]}
  - {name: cars, question: "how many cars are in view?"}
"""


def main() -> int:
    """Start everything, ask a few questions on the page and save what it shows."""
    target = Path(sys.argv[1])
    environment = demo_environment(os.environ)
    book = TruthBook()
    with (
        tempfile.TemporaryDirectory(prefix='spatialllm-picture-') as folder,
        Processes(environment, Path(folder)) as processes,
        AskClient('picture', [], int(environment['ROS_DOMAIN_ID'])) as client,
        webdriver.Chrome(options(), webdriver.ChromeService(shutil.which('chromedriver'))) as page,
    ):
        watches = Path(folder) / 'watches.yaml'
        watches.write_text(WATCHES, encoding='utf-8')
        client.node.create_subscription(String, TRUTH_TOPIC, lambda text: book.add(text.data), 10)
        start_camera(processes, {'source': 'tour'})
        start_node(processes, IMAGE_TOPIC, {'watches_file': watches})
        open_page(page, start_dashboard(processes))
        for number in range(QUESTIONS):
            ask(page, question(book, number))
        page.save_screenshot(str(target))
    print(f'{target}, {target.stat().st_size / 1e3:.0f} kB')
    return 0


def options() -> webdriver.ChromeOptions:
    """Return the options of a headless browser."""
    own = webdriver.ChromeOptions()
    own.binary_location = shutil.which('chromium') or ''
    for word in ('headless=new', 'no-sandbox', 'disable-dev-shm-usage', f'window-size={WINDOW}'):
        own.add_argument(f'--{word}')
    return own


def open_page(page: webdriver.Chrome, address: str) -> None:
    """Open the page once it is served, and wait until the node answers."""
    wait = WebDriverWait(page, PATIENCE_S)
    wait.until(lambda _: is_open(page, address))
    wait.until(lambda _: text(page, 'state').endswith(': active'))
    wait.until(lambda _: text(page, 'watches'))


def is_open(page: webdriver.Chrome, address: str) -> bool:
    """Try to open the page."""
    try:
        page.get(address)
    except webdriver.remote.errorhandler.WebDriverException:
        time.sleep(OPENING_S)
        return False
    return True


def question(book: TruthBook, number: int) -> QuestionRecord:
    """Return one of the questions that come with the newest image."""
    truth = book.newest(PATIENCE_S)
    if truth is None:
        raise SceneError(f'expected the truth of an image on {TRUTH_TOPIC}, found none')
    return truth.questions[number % len(truth.questions)]


def ask(page: webdriver.Chrome, record: QuestionRecord) -> None:
    """Ask on the page, and wait for the answer."""
    for name, words in (('question', record.question), ('options', ', '.join(record.options))):
        field = page.find_element(By.CSS_SELECTOR, f'.{name} input')
        field.send_keys(*['\b'] * len(field.get_attribute('value') or ''), words)
    page.find_element(By.CSS_SELECTOR, '.ask').click()
    told = ('confidence', 'no answer')
    WebDriverWait(page, PATIENCE_S).until(
        lambda _: text(page, 'asked') == record.question and text(page, 'about').startswith(told)
    )


def text(page: webdriver.Chrome, name: str) -> str:
    """Return what the part of the page with this class says."""
    return str(page.find_element(By.CSS_SELECTOR, f'.{name}').text)


if __name__ == '__main__':
    sys.exit(main())
