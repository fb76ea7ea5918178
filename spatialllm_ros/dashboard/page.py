"""The page: one object for each browser tab, all of them on one board."""

from __future__ import annotations

from nicegui import ui

from spatialllm_ros.dashboard.board import Exchange
from spatialllm_ros.dashboard.plots import latency_options
from spatialllm_ros.dashboard.ros_client import RosClient
from spatialllm_ros.dashboard.tables import (
    HISTORY,
    WATCHES,
    about,
    columns,
    history_row,
    latency_summary,
    watch_rows,
)
from spatialllm_ros.dashboard.views import by_interest
from spatialllm_ros.errors import BusyError

REFRESH_S = 0.1
IMAGE_PATH = '/image'
DEFAULT_CAMERA, ALL_CAMERAS = 'default', 'all'
MOST_CHARACTERS = 1000
"""Of a question, and of its options."""
TABLE = 'wrap-cells flat dense'
TITLE = 'font-bold'
REMARK = 'text-sm text-gray-600'


class Page:
    """One browser tab: shows its own question, and what all tabs share."""

    def __init__(self, client: RosClient) -> None:
        """Lay out the page and keep it fresh."""
        self._client, self._board = client, client.board
        self._own: Exchange | None = None
        self._shown_image = ('', 0)
        self._shown_exchanges: list[tuple[int, str]] = []
        with ui.header().classes('items-center bg-slate-800 py-2'):
            ui.label('spatialllm').classes('text-lg font-bold')
            self._state = ui.label().classes('state text-sm')
        with ui.row().classes('w-full items-stretch no-wrap max-md:flex-wrap'):
            with ui.card().classes('w-1/2 grow'):
                self._lay_out_camera()
            with ui.column().classes('w-1/2 grow'):
                with ui.card().classes('w-full'):
                    self._lay_out_question()
                with ui.card().classes('w-full grow'):
                    self._lay_out_latency()
        with ui.card().classes('w-full') as self._watch_card:
            ui.label('Standing questions').classes(TITLE)
            self._watches = table(WATCHES, 'watch').classes('watches')
        with ui.card().classes('w-full'):
            ui.label('History').classes(TITLE)
            self._history = table(HISTORY, 'number', rows_each=10).classes('history')
        ui.timer(REFRESH_S, self._refresh)

    def _lay_out_camera(self) -> None:
        self._topic = ui.select([], label='image topic').classes('w-full')
        self._picture = ui.interactive_image().classes('picture w-full bg-slate-200 min-h-48')
        self._picture_problem = ui.label().classes('text-sm text-red-700')

    def _lay_out_question(self) -> None:
        with ui.row().classes('w-full items-end no-wrap'):
            self._question = (
                ui.input('question', placeholder='where is the red car?')
                .props(f'maxlength={MOST_CHARACTERS} autofocus')
                .classes('question grow')
                .on('keydown.enter', self._ask)
            )
            self._camera = ui.select([DEFAULT_CAMERA], value=DEFAULT_CAMERA, label='camera')
            self._camera.classes('w-32')
        with ui.row().classes('w-full items-end no-wrap'):
            self._options = (
                ui.input('only these answers (optional)', placeholder='yes, no')
                .props(f'maxlength={MOST_CHARACTERS}')
                .classes('options grow')
                .on('keydown.enter', self._ask)
            )
            ui.button('Ask', on_click=self._ask).classes('ask')
            self._cancel = ui.button('Cancel', on_click=self._stop).props('outline')
            self._cancel.classes('cancel')
        self._asked = ui.label().classes('asked text-gray-600')
        self._answer = ui.label().classes('answer text-2xl break-words')
        self._about = ui.label().classes(f'about {REMARK}')

    def _lay_out_latency(self) -> None:
        with ui.row().classes('items-baseline'):
            ui.label('Latency').classes(TITLE)
            self._latencies = ui.label().classes(REMARK)
        self._plot = ui.echart(latency_options([])).classes('plot w-full grow min-h-48')

    def _ask(self) -> None:
        question, options = self._question.value.strip(), self._options.value.strip()
        if not question:
            ui.notify('Write a question first.')
        elif max(len(question), len(options)) > MOST_CHARACTERS:
            ui.notify(f'Expected at most {MOST_CHARACTERS} characters.')
        else:
            self._send(
                question, tuple(word.strip() for word in options.split(',') if word.strip())
            )

    def _send(self, question: str, options: tuple[str, ...]) -> None:
        camera = self._camera.value
        try:
            self._own = self._client.ask(
                question, '' if camera == DEFAULT_CAMERA else camera, options
            )
        except BusyError as error:
            ui.notify(str(error))

    def _stop(self) -> None:
        if self._own is not None and self._own.is_open:
            self._client.cancel(self._own)

    def _refresh(self) -> None:
        self._refresh_state()
        self._refresh_cameras()
        self._refresh_image()
        exchanges = self._board.exchanges()
        self._refresh_answer(self._own or next(reversed(exchanges), None))
        shown = [(exchange.number, exchange.status) for exchange in exchanges]
        if shown != self._shown_exchanges:
            self._shown_exchanges = shown
            self._refresh_history(exchanges)
        rows = watch_rows(list(self._board.watches.values()))
        if rows != self._watches.rows:
            self._watches.rows = rows
        self._watch_card.set_visibility(bool(rows))

    def _refresh_state(self) -> None:
        board, good, bad = self._board, 'text-green-300', 'text-amber-300'
        if not self._client.is_listening:
            self._state.set_text('the dashboard no longer listens: start it again')
        else:
            name = f'{self._client.target}: ' if board.is_present else ''
            self._state.set_text(name + board.state)
        self._state.classes(
            add=good if board.is_well else bad, remove=bad if board.is_well else good
        )

    def _refresh_cameras(self) -> None:
        names = self._board.cameras
        choices = [DEFAULT_CAMERA, *names, *([ALL_CAMERAS] if len(names) > 1 else [])]
        if choices != self._camera.options:
            value = self._camera.value if self._camera.value in choices else DEFAULT_CAMERA
            self._camera.set_options(choices, value=value)

    def _refresh_image(self) -> None:
        views = self._client.views.by_topic
        topics = by_interest(views)
        if topics != self._topic.options:
            value = self._topic.value if self._topic.value in topics else next(iter(topics), None)
            self._topic.set_options(topics, value=value)
        topic = self._topic.value
        if topic is None:
            self._picture_problem.set_text('the node reads no camera')
            return
        view = views[topic]
        view.want()
        self._picture_problem.set_text(view.problem or ('' if view.number else 'no image yet'))
        if view.number and (topic, view.number) != self._shown_image:
            self._shown_image = (topic, view.number)
            self._picture.set_source(f'{IMAGE_PATH}?topic={topic}&number={view.number}')

    def _refresh_answer(self, exchange: Exchange | None) -> None:
        self._cancel.set_visibility(self._own is not None and self._own.is_open)
        if exchange is not None:
            self._asked.set_text(exchange.question)
            self._answer.set_text(exchange.words or '...')
            self._about.set_text(about(exchange))

    def _refresh_history(self, exchanges: list[Exchange]) -> None:
        self._history.rows = [history_row(exchange) for exchange in reversed(exchanges)]
        self._latencies.set_text(latency_summary(exchanges))
        self._plot.options.update(latency_options(exchanges))
        self._plot.update()


def table(names: tuple[str, ...], key: str, rows_each: int | None = None) -> ui.table:
    """Lay out an empty table; with many rows, so many on each of its own pages."""
    made = ui.table(rows=[], columns=columns(names), row_key=key, pagination=rows_each)
    return made.props(TABLE).classes('w-full')
