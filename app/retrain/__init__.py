"""Starting a training from the window.

draft          what is about to be asked for; no Qt
starting       making the run and starting its trainer; no Qt
estimating     the measured warm-up, as a process; no Qt
telling        what the button says; no Qt
dialog         the Retrain dialog: overview_page with where_box, estimate_view and inputs_card;
               options_page with every option
button         the Retrain button of the context bar
binding        the command and what the button asks for
closing        the question at closing the window
"""

from app.retrain.button import RetrainButton
from app.retrain.closing import may_close
from app.retrain.dialog import RetrainDialog

__all__ = ["RetrainButton", "RetrainDialog", "may_close"]
